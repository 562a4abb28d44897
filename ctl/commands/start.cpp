// start, restart, try-restart, reload, isolate.
#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl::commands {

int start(Context& context) {
    return carry_out(context, {"Start", "starting"}, context.arguments.words);
}

int restart(Context& context) {
    return carry_out(context, {"Restart", "restarting"}, context.arguments.words);
}

int try_restart(Context& context) {
    return carry_out(context, {"TryRestart", "restarting"}, context.arguments.words);
}

int reload(Context& context) {
    return carry_out(context, {"Reload", "reloading"}, context.arguments.words);
}

int isolate(Context& context) {
    return carry_out(context, {"Isolate", "isolating"}, context.arguments.words);
}

}  // namespace reeve::ctl::commands
