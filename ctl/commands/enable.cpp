// enable and disable: a drop-in with `enabled`; nothing that runs is touched.
#include "ctl/commands/verbs.hpp"
#include "ctl/unit_files.hpp"
#include "units/files.hpp"

namespace reeve::ctl::commands {

namespace {

// Where it is read last: the first folder of the search path; beside the unit's own file when the
// manager reads that from somewhere else.
std::string drop_in_of(const Context& context, const UnitFiles& files) {
    const std::string& own = files.paths.front();
    const std::string folder =
        context.place.holds(own) ? context.place.folders.front() : own.substr(0, own.rfind('/'));
    return folder + "/" + files.name + ".toml.d/50-enabled.toml";
}

int write(Context& context, bool enabled) {
    if (!context.place.host.empty()) {
        throw usage_error(context.arguments.verb + " writes files of this machine; try: ssh " +
                          context.place.host + " reevectl " + context.arguments.verb + " UNIT");
    }
    const std::string line = std::string{"enabled = "} + (enabled ? "true" : "false");
    Value units = Value::list();
    for (const auto& word : context.arguments.words) {
        const UnitFiles files = find_unit_files(context, word);
        const std::string& own = files.paths.front();
        if (enabled && units::read_text(own).kind == units::FileText::Kind::masked) {
            throw Failure{code::failed, "Masked",
                          files.name + " is masked by " + own + "; remove that first"};
        }
        const std::string path = drop_in_of(context, files);
        write_file(path,
                   "# written by reevectl " + context.arguments.verb + "\n[unit]\n" + line + "\n");
        if (!context.quiet()) context.line(files.name + ": " + line + " in " + path);
        units.add(Value{}.set("unit", files.name).set("enabled", enabled).set("path", path));
    }
    context.print_json(Value{}.set("units", std::move(units)));
    if (!context.quiet() && !context.place.offline) {
        context.line("counts from the next `reevectl apply`, or start of the manager");
    }
    return code::done;
}

}  // namespace

int enable(Context& context) {
    return write(context, true);
}
int disable(Context& context) {
    return write(context, false);
}

}  // namespace reeve::ctl::commands
