// wait: until units have ended; with one unit its exit code is ours.
#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/ending.hpp"

namespace reeve::ctl::commands {

int wait(Context& context) {
    const auto& units = context.arguments.words;
    const auto endings = wait_for(context, units, context.arguments.duration(Opt::timeout));
    Value list = Value::list();
    bool all_clean = true;
    for (const Ending& ending : endings) {
        if (!context.quiet()) context.line(ending.unit + ": " + to_text(ending));
        list.add(to_value(ending));
        all_clean = all_clean && exit_code_of(ending) == 0;
    }
    context.print_json(Value{}.set("units", std::move(list)));
    if (endings.size() == 1) return exit_code_of(endings.front());
    return all_clean ? code::done : code::failed;
}

}  // namespace reeve::ctl::commands
