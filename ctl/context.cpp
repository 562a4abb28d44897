#include "ctl/context.hpp"

#include <unistd.h>

#include "ctl/json.hpp"
#include "ctl/text.hpp"

namespace reeve::ctl {

Client& Context::client() {
    if (place.offline) {
        throw usage_error("with --root there is no manager to ask; " + arguments.verb +
                          " needs one");
    }
    if (!client_) {
        client_ = std::make_unique<Client>(place, [this](Duration since) {
            if (quiet() || since < std::chrono::seconds{1}) return;
            screen.progress("reeved is away, asking again");
        });
    }
    return *client_;
}

void Context::line(std::string_view text) {
    if (json()) return;
    screen.out += text;
    screen.out += '\n';
}

void Context::print_json(const Value& value) {
    if (!json()) return;
    screen.out += to_json(value);
    screen.out += '\n';
}

void Context::complain(std::string_view text) {
    screen.clear_progress();
    write_all(STDERR_FILENO, "reevectl: " + printable(text) + "\n", "write to standard error");
}

}  // namespace reeve::ctl
