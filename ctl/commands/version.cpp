// version: ours, and the manager's if there is one.
#include "ctl/commands/verbs.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl::commands {

int version(Context& context) {
    Value manager;
    context.line("reevectl " REEVE_VERSION);
    if (!context.place.offline) {
        try {
            Request request;
            request.member = "GetAll";
            request.interface = "org.freedesktop.DBus.Properties";
            request.arguments = {api::interface::manager};
            const Value properties = context.client().call(std::move(request)).at(0);
            manager.set("version", properties["Version"])
                .set("pid", properties["Pid"])
                .set("system", properties["System"]);
            context.line("reeved " + std::string{properties["Version"].text()} + ", pid " +
                         std::to_string(properties["Pid"].natural()));
        } catch (const Failure& failure) {
            context.line(failure.what());
        }
    }
    context.print_json(Value{}.set("version", REEVE_VERSION).set("manager", std::move(manager)));
    return code::done;
}

}  // namespace reeve::ctl::commands
