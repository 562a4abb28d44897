// The command line: options stand before or after the verb. A table and one pass over the words;
// a general parser library costs more time than the call it serves.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/duration.hpp"

namespace reeve::ctl {

enum class Opt {
    // of every verb
    socket,
    system,
    user,
    bus,
    host,
    root,
    unit_path,
    json,
    quiet,
    help,
    version,
    // of some
    timeout,
    state,
    kind,
    property,
    value_only,
    reverse,
    lines,
    follow,
    run,
    name,
    wait,
    with,
    background,
    description,
    as_user,
    as_group,
    directory,
    signal,
    whom,
    now,
    force,
    at,
    cancel,
    binary,
    dry_run,
    restart,
    no_restart,
};

struct OptionSpec {
    Opt opt;
    std::string_view name;  // "--socket"
    char letter;            // 0: none
    enum Takes { nothing, a_value, maybe_duration } takes;
    std::string_view value;  // "PATH", for help
    std::string_view help;
};
std::span<const OptionSpec> option_table() noexcept;
const OptionSpec& spec_of(Opt opt) noexcept;
bool is_common(Opt opt) noexcept;  // understood by every verb

class Arguments {
public:
    // Words after the program's name. Throws Failure (usage) with what to write instead.
    // After the verb `run` the first word that is no option ends the options.
    static Arguments parse(std::span<const char* const> words);

    std::string verb;                // empty: none given
    std::vector<std::string> words;  // what follows the verb

    struct Given {
        Opt opt;
        std::string value;
        bool has_value;
    };
    std::vector<Given> given;

    [[nodiscard]] bool has(Opt opt) const noexcept;
    // The last one counts; nullopt: not given (or given without its optional value).
    [[nodiscard]] std::optional<std::string> value(Opt opt) const;
    // All of them, each split at commas.
    [[nodiscard]] std::vector<std::string> list(Opt opt) const;
    [[nodiscard]] std::optional<Duration> duration(Opt opt) const;     // throws Failure (usage)
    [[nodiscard]] std::optional<std::uint64_t> number(Opt opt) const;  // throws Failure (usage)
};

}  // namespace reeve::ctl
