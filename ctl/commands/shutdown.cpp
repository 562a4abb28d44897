// shutdown: everything stops in order, then the manager (or the machine) ends.
#include <algorithm>
#include <iterator>

#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl::commands {

int shutdown(Context& context) {
    constexpr std::string_view ways[] = {"",     "exit",  "poweroff",   "reboot",
                                         "halt", "kexec", "soft-reboot"};
    const Arguments& arguments = context.arguments;
    const std::string how = arguments.words.empty() ? "" : arguments.words.front();
    if (std::find(std::begin(ways), std::end(ways), how) == std::end(ways)) {
        throw usage_error("shutdown: found \"" + how +
                          "\", expected exit, poweroff, reboot, halt, kexec or soft-reboot");
    }
    if (arguments.has(Opt::at) || arguments.has(Opt::cancel)) {
        throw usage_error("shutdown --at and --cancel are not in this version");
    }
    const char* haste = arguments.has(Opt::force) ? "force"
                        : arguments.has(Opt::now) ? "now"
                                                  : "orderly";
    context.client().call("Shutdown", {how, request_options(context).set("haste", "s", haste)});
    if (!context.quiet()) context.line("shutting down");
    context.print_json(Value{}.set("ok", true).set("how", how).set("haste", haste));
    return code::done;
}

}  // namespace reeve::ctl::commands
