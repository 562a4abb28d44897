#include "daemon/process_plan.hpp"

#include <csignal>
#include <cstring>

#include "units/expand.hpp"

namespace reeve {

namespace {

constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string joined(const std::string& base, const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ":") + base + "/" + name;
    return out;
}

}  // namespace

Environment make_environment(const units::UnitFile& unit, const Environment& manager_wide,
                             const RunFacts& facts) {
    const auto& around = *unit.service->surroundings;
    Environment out{{"PATH", default_path}};
    for (const auto& [name, value] : manager_wide) out[name] = value;
    if (facts.account && !around.user.empty()) {
        out["HOME"] = facts.account->home;
        out["USER"] = out["LOGNAME"] = facts.account->name;
        out["SHELL"] = facts.account->shell;
    }
    for (const auto& [name, value] : around.environment) out[name] = value;
    for (const auto& [name, value] : facts.file_variables) out[name] = value;
    if (!around.runtime_directory.empty())
        out["RUNTIME_DIRECTORY"] = joined(facts.runtime_base, around.runtime_directory);
    if (!around.state_directory.empty())
        out["STATE_DIRECTORY"] = joined(facts.state_base, around.state_directory);
    out["INVOCATION_ID"] = facts.invocation_id;
    out["REEVE_UNIT"] = facts.unit;
    out["REEVE_RUN"] = std::to_string(static_cast<std::uint64_t>(facts.run));
    if (!facts.notify_socket.empty()) out["NOTIFY_SOCKET"] = facts.notify_socket;
    if (unit.service->watchdog > units::Duration::zero())
        out["WATCHDOG_USEC"] = std::to_string(unit.service->watchdog.count());
    return out;
}

void add_main_process(Environment& environment, pid_t main_pid) {
    if (main_pid > 0) environment["MAINPID"] = std::to_string(main_pid);
}

void add_exit(Environment& environment, const std::optional<core::ExitStatus>& ended,
              core::Result result) {
    const auto said = result == core::Result::none ? core::Result::success : result;
    environment["SERVICE_RESULT"] = std::string{core::to_string(said)};
    if (!ended) return;  // `stop`, while the main process runs
    const core::ExitStatus& status = *ended;
    if (status.signal != 0) {
        environment["EXIT_CODE"] = status.core_dumped ? "dumped" : "killed";
        const char* name = ::sigabbrev_np(status.signal);
        environment["EXIT_STATUS"] = name ? name : std::to_string(status.signal);
    } else {
        environment["EXIT_CODE"] = "exited";
        environment["EXIT_STATUS"] = std::to_string(status.code);
    }
}

os::SpawnPlan make_plan(const units::UnitFile& unit, const units::Command& command,
                        const Environment& environment, std::vector<std::string>& unset) {
    const auto& service = *unit.service;
    const auto& around = *service.surroundings;
    os::SpawnPlan plan;
    if (command.expand) {
        auto expanded = units::expand(command.argv, environment);
        plan.argv = std::move(expanded.argv);
        unset = std::move(expanded.unset);
    } else {
        plan.argv = command.argv;
    }
    plan.env.reserve(environment.size());
    for (const auto& [name, value] : environment) plan.env.push_back(name + "=" + value);
    if (!around.working_directory.empty()) plan.directory = around.working_directory;
    if (around.umask) plan.umask = static_cast<mode_t>(*around.umask);
    if (around.nofile) plan.nofile = static_cast<rlim_t>(*around.nofile);
    plan.refuse_children = !service.children;
    plan.ignore_sigpipe = service.ignore_sigpipe;
    return plan;
}

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// The value as written after "=", from `at` on; moves `at` behind its line. Quotes may span lines;
// a backslash takes the next character as it is, and joins lines.
std::string read_value(std::string_view text, std::size_t& at) {
    std::string out;
    char quote = 0;
    std::size_t keep = 0;  // blanks before this are quoted or escaped, and stay
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (quote == '\'' && c != '\'') {
            out.push_back(c);
        } else if (c == '\\' && at + 1 < text.size()) {
            if (text[++at] != '\n') out.push_back(text[at]);
            keep = out.size();
        } else if (quote == 0 && c == '\n') {
            break;
        } else if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote != 0 && c == quote) {
            quote = 0;
            keep = out.size();
        } else {
            out.push_back(c);
        }
    }
    if (at < text.size()) ++at;
    while (out.size() > keep && (out.back() == ' ' || out.back() == '\t' || out.back() == '\r'))
        out.pop_back();
    return out;
}

}  // namespace

Environment parse_environment_file(std::string_view text) {
    Environment out;
    for (std::size_t at = 0; at < text.size();) {
        const auto line_end = std::min(text.find('\n', at), text.size());
        const auto equals = text.find('=', at);
        const std::string_view line = trimmed(text.substr(at, line_end - at));
        if (line.empty() || line[0] == '#' || line[0] == ';' || equals >= line_end) {
            at = line_end + 1;
            continue;
        }
        std::string_view name = trimmed(text.substr(at, equals - at));
        if (name.starts_with("export ")) name = trimmed(name.substr(7));
        at = equals + 1;
        std::string value = read_value(text, at);
        if (!name.empty()) out[std::string{name}] = std::move(value);
    }
    return out;
}

}  // namespace reeve
