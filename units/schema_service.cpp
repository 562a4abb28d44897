// The rows of [service].
#include <algorithm>
#include <array>

#include "units/names.hpp"
#include "units/schema.hpp"
#include "units/values.hpp"

namespace reeve::units {

namespace {

constexpr std::string_view time_units = "us ms s sec min h d w";
constexpr std::string_view commands_type = "command or list of commands";

template <bool Service::*Field>
void read_flag(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.flag(node)) (*unit.service).*Field = *value;
}

template <Duration Service::*Field, Reader::Bound Bound>
void read_duration(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.duration(node, Bound)) (*unit.service).*Field = *value;
}

template <Phase P>
void read_phase(Reader& reader, const Node& node, UnitFile& unit) {
    read_commands(reader, node, P, unit);
}

// Words for enumerators that count from 0 without a gap.
template <auto Field, auto Last>
void read_enum(Reader& reader, const Node& node, UnitFile& unit) {
    using Enum = decltype(Last);
    std::vector<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(Last); ++i)
        words.push_back(to_string(static_cast<Enum>(i)));
    if (const auto index = reader.choice(node, words, {"dbus", "notify-reload"}))
        (*unit.service).*Field = static_cast<Enum>(*index);
}

void read_environment(Reader& reader, const Node& node, UnitFile& unit) {
    if (node.type != Node::Type::table) {
        reader.expected(node, "a table such as { LANG = \"C.UTF-8\" }");
        return;
    }
    const auto is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    for (const Entry& entry : node.entries) {
        const Reader::Scope scope{reader, entry.key};
        if (entry.key.empty() || (entry.key.front() >= '0' && entry.key.front() <= '9') ||
            !std::ranges::all_of(entry.key, is_word))
            reader.complain(entry, "not the name of a variable: letters, digits and _");
        else if (auto value = reader.string(entry.value, "a string"))
            unit.service->surroundings.edit().environment.emplace(entry.key, std::move(*value));
    }
}

// One name stands for a list of one.
std::vector<Node> one_or_list(const Node& node) {
    if (node.type == Node::Type::array) return node.items;
    return {node};
}

void read_environment_file(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "an absolute path, or \"-\" and one for a file that may miss";
    for (const Node& item : one_or_list(node)) {
        auto path = reader.string(item, what);
        if (!path) continue;
        const bool optional = path->starts_with('-');
        if (optional) path->erase(0, 1);
        if (!path->starts_with('/'))
            reader.expected(item, what);
        else
            unit.service->surroundings.edit().environment_files.push_back(
                {std::move(*path), optional});
    }
}

template <std::string Surroundings::*Field>
void read_account(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "a name or a number in quotes";
    auto text = reader.string(node, what);
    if (!text) return;
    const auto unfit = [](char c) {
        return c == '/' || c == ':' || static_cast<signed char>(c) <= ' ';
    };
    if (text->empty() || text->front() == '-' || std::ranges::any_of(*text, unfit))
        reader.expected(node, what);
    else
        unit.service->surroundings.edit().*Field = std::move(*text);
}

void read_working_directory(Reader& reader, const Node& node, UnitFile& unit) {
    if (auto path = reader.absolute_path(node))
        unit.service->surroundings.edit().working_directory = std::move(*path);
}

void read_umask(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "a mode such as \"0027\"";
    const auto text = reader.string(node, what);
    if (!text) return;
    const auto mode = parse_mode(*text);
    if (!mode || *mode > 0777)
        reader.expected(node, what);
    else
        unit.service->surroundings.edit().umask = *mode;
}

void read_nofile(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto count = reader.integer(node, 16, 1 << 30))
        unit.service->surroundings.edit().nofile = static_cast<std::uint64_t>(*count);
}

// Names below a folder of ours: no way out of it.
template <std::vector<std::string> Surroundings::*Field>
void read_directories(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "a relative path without \"..\"";
    for (const Node& item : one_or_list(node)) {
        auto path = reader.string(item, what);
        if (!path) continue;
        const std::string whole = "/" + *path + "/";
        if (path->empty() || whole.find("/../") != std::string::npos ||
            whole.find("/./") != std::string::npos || whole.find("//") != std::string::npos)
            reader.expected(item, what);
        else
            (unit.service->surroundings.edit().*Field).push_back(std::move(*path));
    }
}

template <ExitStatusSet ExitRules::*Field>
void read_exit_status(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "an exit code from 0 to 255 or a signal such as \"TERM\"";
    for (const Node& item : reader.list(node, "a list such as [3, \"TERM\"]")) {
        ExitStatusSet& set = unit.service->exits.edit().*Field;
        if (item.type == Node::Type::integer && item.integer >= 0 && item.integer <= 255) {
            set.codes.push_back(static_cast<std::uint8_t>(item.integer));
        } else if (item.type == Node::Type::string) {
            if (const auto signal = reader.signal(item))
                set.signals.push_back(static_cast<std::uint8_t>(*signal));
        } else {
            reader.expected(item, what);
        }
    }
}

void read_kill_signal(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto signal = reader.signal(node))
        unit.service->kill_signal = static_cast<std::uint8_t>(*signal);
}

void read_ready_fd(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto number = reader.integer(node, 3, 63))
        unit.service->ready_fd = static_cast<std::int16_t>(*number);
}

void read_pid_file(Reader& reader, const Node& node, UnitFile& unit) {
    if (auto path = reader.absolute_path(node)) unit.service->pid_file = std::move(*path);
}

template <Duration Backoff::*Field, Reader::Bound Bound>
void read_backoff(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.duration(node, Bound))
        unit.service->backoff.edit().*Field = *value;
}

void read_factor(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.number(node, 1, 1000))
        unit.service->backoff.edit().factor = *value;
}

void read_starts(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.integer(node, 1, 1'000'000))
        unit.service->limit.edit().starts = static_cast<std::uint32_t>(*value);
}

void read_within(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.duration(node, Reader::Bound::positive_finite))
        unit.service->limit.edit().within = *value;
}

void read_then(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "\"event:NAME\", \"start UNIT\", \"reboot\" or \"stop\"";
    const auto text = reader.string(node, what);
    if (!text) return;
    Limit& limit = unit.service->limit.edit();
    const std::string_view rest = *text;
    if (rest == "reboot") {
        limit.then = Limit::Then::reboot;
    } else if (rest == "stop") {
        limit.then = Limit::Then::stop;
    } else if (rest.starts_with("event:") && is_event_name(rest.substr(6))) {
        limit.then = Limit::Then::event;
        limit.argument = rest.substr(6);
    } else if (rest.starts_with("start ") && is_unit_name(rest.substr(6))) {
        limit.then = Limit::Then::start;
        limit.argument = rest.substr(6);
    } else {
        reader.expected(node, what);
    }
}

}  // namespace

std::span<const Row> service_rows() {
    using Bound = Reader::Bound;
    static constexpr std::array rows{
        Row{"service", "type", "word", "simple, exec, notify, forking, oneshot, idle", "simple",
            "\"notify\"", "When the unit is up.", read_enum<&Service::type, Type::idle>},
        Row{"service", "command", commands_type, "several only for oneshot", "must be given",
            "[\"/usr/bin/env\", \"--version\"]",
            "The program and its arguments; no shell. The first word is absolute or in PATH.",
            read_phase<Phase::main>},
        Row{"service", "start-pre", commands_type, "", "none",
            "[[\"/bin/mkdir\", \"-p\", \"/run/a\"], { command = [\"/bin/true\"], ignore-failure = "
            "true }]",
            "Run before `command`, one after the other.", read_phase<Phase::start_pre>},
        Row{"service", "start-post", commands_type, "", "none", "[\"/bin/true\"]",
            "Run when `command` is ready, before the unit is up.", read_phase<Phase::start_post>},
        Row{"service", "stop", commands_type, "", "none", "[\"/bin/kill\", \"$MAINPID\"]",
            "Run to stop the unit, before `kill-signal`.", read_phase<Phase::stop>},
        Row{"service", "stop-post", commands_type, "", "none", "[\"/bin/rm\", \"-f\", \"/run/a\"]",
            "Run when the unit has ended, however it did.", read_phase<Phase::stop_post>},
        Row{"service", "reload", commands_type, "", "none",
            "[\"/bin/kill\", \"-HUP\", \"$MAINPID\"]", "Run to reload.", read_phase<Phase::reload>},
        Row{"service", "environment", "table of strings", "", "empty",
            "{ LANG = \"C.UTF-8\", RATE = \"200\" }",
            "Variables; a drop-in replaces them one by one.", read_environment},
        Row{"service", "environment-file", "path or list of paths", "", "none",
            "[\"/etc/default/imu\", \"-/etc/imu.env\"]",
            "Files of NAME=VALUE lines, read at each start; with \"-\" they may be missing.",
            read_environment_file, true},
        Row{"service", "working-directory", "path", "", "/", "\"/var/lib/imu\"",
            "Where the processes start.", read_working_directory},
        Row{"service", "user", "text", "name or number", "the manager's", "\"imu\"",
            "Whom the processes run as.", read_account<&Surroundings::user>},
        Row{"service", "group", "text", "name or number", "the user's", "\"i2c\"", "Their group.",
            read_account<&Surroundings::group>},
        Row{"service", "umask", "mode", "octal", "0022", "\"0027\"", "The file mode creation mask.",
            read_umask},
        Row{"service", "limits.nofile", "integer", "descriptors", "the manager's", "4096",
            "How many files a process may have open.", read_nofile},
        Row{"service", "daemonic", "boolean", "", "true, for oneshot false", "false",
            "Whether shutdown ends it; if false, shutdown first waits for it to end.",
            read_flag<&Service::daemonic>},
        Row{"service", "children", "boolean", "", "true", "false",
            "If false, the kernel refuses it new processes (not threads).",
            read_flag<&Service::children>},
        Row{"service", "restart", "word",
            "no, on-success, on-failure, on-abnormal, on-abort, on-watchdog, always",
            "on-failure if daemonic, else no", "\"always\"", "After which ends it starts again.",
            read_enum<&Service::restart, Restart::always>},
        Row{"service", "backoff.first", "duration", time_units, "100ms", "\"1s\"",
            "The delay before the first restart in a row.",
            read_backoff<&Backoff::first, Bound::finite>},
        Row{"service", "backoff.factor", "number", "1 to 1000", "2", "1.5",
            "How much longer each further delay is.", read_factor},
        Row{"service", "backoff.max", "duration", time_units, "30s", "\"1min\"",
            "The longest delay.", read_backoff<&Backoff::max, Bound::finite>},
        Row{"service", "backoff.reset-after", "duration", time_units, "1min", "\"10min\"",
            "Having been up this long ends the row.",
            read_backoff<&Backoff::reset_after, Bound::any>},
        Row{"service", "limit.starts", "integer", "1 to 1000000", "no limit", "5",
            "How many starts are made within `limit.within`.", read_starts},
        Row{"service", "limit.within", "duration", time_units, "no limit", "\"1min\"",
            "The time in which starts are counted.", read_within},
        Row{"service", "limit.then", "word", "event:NAME, start UNIT, reboot, stop", "nothing",
            "\"event:imu-broken\"", "What happens at the start that is not made.", read_then},
        Row{"service", "success-exit-status", "list", "exit codes, signals", "none beside 0",
            "[3, \"USR1\"]", "Ends that count as clean too.",
            read_exit_status<&ExitRules::success>},
        Row{"service", "restart-prevent-exit-status", "list", "exit codes, signals", "none", "[78]",
            "Ends after which it does not start again, whatever `restart` says.",
            read_exit_status<&ExitRules::restart_prevent>},
        Row{"service", "restart-force-exit-status", "list", "exit codes, signals", "none",
            "[75, \"KILL\"]", "Ends after which it starts again, whatever `restart` says.",
            read_exit_status<&ExitRules::restart_force>},
        Row{"service", "remain-after-exit", "boolean", "", "false", "true",
            "Stays up when its processes have ended cleanly.",
            read_flag<&Service::remain_after_exit>},
        Row{"service", "pid-file", "path", "", "none", "\"/run/imu.pid\"",
            "Where a forking service writes its main process.", read_pid_file},
        Row{"service", "ready-fd", "integer", "3 to 63", "none", "3",
            "A descriptor on which type notify tells by a newline that it is up.", read_ready_fd},
        Row{"service", "notify-access", "word", "none, main, exec, all", "main", "\"all\"",
            "Whose messages on the notify socket count.",
            read_enum<&Service::notify_access, NotifyAccess::all>},
        Row{"service", "start-timeout", "duration", time_units,
            "90s (of the manager), for oneshot infinity", "\"20s\"", "How long starting may take.",
            read_duration<&Service::start_timeout, Bound::positive>},
        Row{"service", "stop-timeout", "duration", time_units, "10s (of the manager)", "\"5s\"",
            "How long stopping may take before the final KILL.",
            read_duration<&Service::stop_timeout, Bound::positive>},
        Row{"service", "run-timeout", "duration", time_units, "infinity", "\"1h\"",
            "How long it may be up; then it is stopped and has failed.",
            read_duration<&Service::run_timeout, Bound::positive>},
        Row{"service", "watchdog", "duration", time_units, "none", "\"2s\"",
            "It must send WATCHDOG=1 at least this often.",
            read_duration<&Service::watchdog, Bound::positive_finite>},
        Row{"service", "kill-mode", "word", "control-group, mixed, process, none", "control-group",
            "\"mixed\"", "Which processes are told to go.",
            read_enum<&Service::kill_mode, KillMode::none>},
        Row{"service", "kill-signal", "signal", "", "TERM", "\"INT\"", "How they are told.",
            read_kill_signal},
        Row{"service", "ignore-sigpipe", "boolean", "", "false", "true",
            "Whether they start with SIGPIPE ignored.", read_flag<&Service::ignore_sigpipe>},
        Row{"service", "runtime-directory", "name or list of names", "", "none", "[\"imu\"]",
            "Made below /run for the user at start, removed when the unit is down.",
            read_directories<&Surroundings::runtime_directory>, true},
        Row{"service", "state-directory", "name or list of names", "", "none", "[\"imu\"]",
            "Made below /var/lib for the user at start, and kept.",
            read_directories<&Surroundings::state_directory>, true},
    };
    return rows;
}

}  // namespace reeve::units
