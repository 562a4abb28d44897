// The table of verbs.
#include "ctl/command.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl {

namespace {

using namespace commands;

constexpr Opt timeout[] = {Opt::timeout};
constexpr Opt of_list[] = {Opt::state, Opt::kind};
constexpr Opt of_show[] = {Opt::property, Opt::value_only};
constexpr Opt of_deps[] = {Opt::reverse};
constexpr Opt of_kill[] = {Opt::signal, Opt::whom, Opt::timeout};
constexpr Opt of_terminate[] = {Opt::whom, Opt::timeout};
constexpr Opt of_run[] = {Opt::name,       Opt::wait,        Opt::with,
                          Opt::background, Opt::description, Opt::directory,
                          Opt::as_user,    Opt::as_group,    Opt::timeout};
constexpr Opt of_logs[] = {Opt::lines, Opt::follow, Opt::run};
constexpr Opt of_shutdown[] = {Opt::now, Opt::force, Opt::at, Opt::cancel};
constexpr Opt of_apply[] = {Opt::dry_run, Opt::restart, Opt::no_restart, Opt::timeout};

constexpr Opt of_reexec[] = {Opt::binary};

constexpr Command table[] = {
    {"status", "[UNIT…]", "what runs, and what is wrong", 0, any_number, {}, status},
    {"list", "[PATTERN…]", "all units, one a line", 0, any_number, of_list, list},
    {"show", "UNIT…", "all that is known of a unit", 1, any_number, of_show, show},
    {"cat", "UNIT…", "the files a unit is read from", 1, any_number, {}, cat},
    {"deps", "UNIT…", "what it needs, and what needs it", 1, any_number, of_deps, deps},
    {"why", "UNIT…", "why it is not up: each condition not met", 1, any_number, {}, why},
    {"start", "UNIT…", "start it and all it requires", 1, any_number, timeout, start},
    {"stop", "UNIT…", "stop it and what requires it", 1, any_number, timeout, stop},
    {"restart", "UNIT…", "stop it if it runs, then start it", 1, any_number, timeout, restart},
    {"try-restart", "UNIT…", "restart it if it runs", 1, any_number, timeout, try_restart},
    {"reload", "UNIT…", "have it read its configuration again", 1, any_number, timeout, reload},
    {"isolate", "UNIT", "start it, stop all that it does not want", 1, 1, timeout, isolate},
    {"enable", "UNIT…", "let others pull it in (wanted-by)", 1, any_number, {}, enable},
    {"disable", "UNIT…", "do not let others pull it in", 1, any_number, {}, disable},
    {"terminate", "UNIT…", "send it TERM; restarts as usual", 1, any_number, of_terminate,
     terminate},
    {"kill", "UNIT…", "send it KILL or another signal", 1, any_number, of_kill, kill},
    {"wait", "UNIT…", "until it has ended; with its exit code", 1, any_number, timeout, wait},
    {"is-active", "UNIT…", "exit 0 if all are up", 1, any_number, {}, is_active},
    {"is-failed", "UNIT…", "exit 0 if one has failed", 1, any_number, {}, is_failed},
    {"reset-failed", "[UNIT…]", "failed becomes down", 0, any_number, {}, reset_failed},
    {"run", "[--] CMD [ARG…]", "run a command as a unit of its own", 1, any_number, of_run, run},
    {"forget", "UNIT…", "drop a unit made by run that has ended", 1, any_number, {}, forget},
    {"logs", "[UNIT…]", "what units printed", 0, any_number, of_logs, logs},
    {"event", "set|clear|show|wait [NAME…]", "named events", 1, any_number, timeout, event},
    {"device", "list|who [NAME…]", "devices, who holds them, who waits", 1, any_number, {}, device},
    {"check", "[PATH…]", "tell the problems of unit files", 0, any_number, {}, check},
    {"plan", "", "what apply would change", 0, 0, {}, plan},
    {"apply", "[UNIT…]", "read all unit files again, all or nothing", 0, any_number, of_apply,
     apply},
    {"rollback", "[UNIT…]", "take back what the last apply changed", 0, any_number, of_apply,
     rollback},
    {"stats", "", "figures of the manager", 0, 0, {}, stats},
    {"shutdown", "[exit|poweroff|reboot|halt|kexec|soft-reboot]", "stop everything, then end", 0, 1,
     of_shutdown, shutdown},
    {"reexec", "", "upgrade the manager in place; what runs goes on", 0, 0, of_reexec, reexec},
    {"bridge", "", "connect standard input and output to the manager (for -H)", 0, 0, {}, bridge},
    {"version", "", "versions of reevectl and the manager", 0, 0, {}, version},
};

}  // namespace

std::span<const Command> command_table() noexcept {
    return table;
}

const Command* find_command(std::string_view verb) noexcept {
    for (const Command& command : table) {
        if (command.verb == verb) return &command;
    }
    return nullptr;
}

}  // namespace reeve::ctl
