// Whatever bytes a unit file holds: no crash, and either a unit or at least one error.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "units/expand.hpp"
#include "units/load.hpp"
#include "units/values.hpp"

namespace {

using namespace reeve::units;

const LoadOptions& options() {
    static const LoadOptions options = [] {
        LoadOptions made;
        made.host.host_name = "board";
        made.host.runtime_directory = "/run";
        made.host.boot_id = "0123456789abcdef0123456789abcdef";
        made.host.user_name = "root";
        made.host.home = "/root";
        made.host.path = "";  // the parser, not the file system
        return made;
    }();
    return options;
}

void require(bool holds) {
    if (!holds) __builtin_trap();
}

// Every place lies in the text, and a problem can be shown.
void check_problems(const ParseResult& result, std::string_view text) {
    unsigned lines = 1;
    for (const char c : text) lines += c == '\n' ? 1U : 0U;
    for (const Problem& problem : result.problems) {
        require(problem.line <= lines);
        require(!problem.text.empty());
        const std::string shown = to_string(problem);
        require(shown.find('\n') == std::string::npos && shown.find('\0') == std::string::npos);
    }
}

void check_unit(const UnitFile& unit, std::string_view text) {
    require(same_definition(unit, unit));
    for (const Link& link : unit.links) require(!link.unit.empty());
    for (const Predicate& predicate : unit.predicates->gate) require(!to_string(predicate).empty());
    // The same text means the same.
    const auto again = parse_unit(unit.name, "fuzz.toml", text, options());
    require(again.unit && same_definition(unit, *again.unit));
    if (!unit.service) return;
    require(!unit.service->commands.empty());
    for (const Command& command : unit.service->commands) {
        require(command.argv.at(0).starts_with('/'));
        const auto expansion = expand(command.argv, unit.service->surroundings->environment);
        require(!expansion.argv.empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto result = parse_unit("fuzz@1", "fuzz.toml", text, options());
    require((result.unit == nullptr) == has_errors(result.problems));
    check_problems(result, text);
    if (result.unit) check_unit(*result.unit, text);
    const std::string word{text.substr(0, 200)};
    require(!expand({"/bin/x", word}, {{"A", word}, {"B", ""}}).argv.empty());
    if (const auto duration = parse_duration(text.substr(0, 40)))
        require(*duration == infinity || parse_duration(to_string(*duration)) == duration);
    return 0;
}
