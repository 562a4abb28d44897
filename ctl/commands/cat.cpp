// cat: the files a unit is read from, as they are.
#include "ctl/commands/verbs.hpp"
#include "ctl/unit_files.hpp"

namespace reeve::ctl::commands {

int cat(Context& context) {
    if (!context.place.host.empty()) {
        throw usage_error("cat reads files of this machine; try: ssh " + context.place.host +
                          " reevectl cat UNIT");
    }
    Value units = Value::list();
    for (const auto& word : context.arguments.words) {
        const UnitFiles files = find_unit_files(context, word);
        Value list = Value::list();
        for (const auto& path : files.paths) {
            std::string text = read_file(path);
            if (!context.screen.out.empty()) context.line("");
            context.line(context.screen.painted(Style::dim, "# " + path));
            if (!context.json()) context.screen.out += text;
            if (!text.empty() && text.back() != '\n') context.line("");
            list.add(Value{}.set("path", path).set("text", std::move(text)));
        }
        units.add(Value{}.set("unit", files.name).set("files", std::move(list)));
    }
    context.print_json(Value{}.set("units", std::move(units)));
    return code::done;
}

}  // namespace reeve::ctl::commands
