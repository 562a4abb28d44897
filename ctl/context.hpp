// What a command gets: the words, the place, a way to print, the manager when it asks for it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/client.hpp"
#include "ctl/options.hpp"
#include "ctl/place.hpp"
#include "ctl/screen.hpp"
#include "ctl/value.hpp"

namespace reeve::ctl {

class Context {
public:
    Context(const Arguments& given, Place where) : arguments{given}, place{std::move(where)} {}

    const Arguments& arguments;
    const Place place;
    Screen screen;

    // Connects at the first call. Throws Failure with --root: there is no manager then.
    Client& client();

    [[nodiscard]] bool json() const noexcept { return arguments.has(Opt::json); }
    [[nodiscard]] bool quiet() const noexcept { return arguments.has(Opt::quiet); }

    void line(std::string_view text);     // for people, on standard output; not with --json
    void print_json(const Value& value);  // with --json only
    // Goes to standard error at once.
    void complain(std::string_view text);

private:
    std::unique_ptr<Client> client_;
};

}  // namespace reeve::ctl
