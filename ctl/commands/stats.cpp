// stats: figures of the manager, one a line.
#include "ctl/commands/verbs.hpp"
#include "ctl/json.hpp"
#include "ctl/text.hpp"

namespace reeve::ctl::commands {

namespace {

void flatten(Table& table, const std::string& prefix, const Value& value) {
    if (!value.is_object()) {
        table.add({{prefix}, {value.is_text() ? std::string{value.text()} : to_json(value)}});
        return;
    }
    for (const Field& field : value.fields()) {
        flatten(table, prefix.empty() ? field.key : prefix + "." + field.key, field.value);
    }
}

}  // namespace

int stats(Context& context) {
    const auto report = parse_json(context.client().call("Stats").at(0).text());
    if (!report) throw Failure{code::failed, "Failed", "the manager's figures are not JSON"};
    Table table{{"FIGURE", "VALUE"}};
    flatten(table, "", *report);
    auto layout = context.screen.layout();
    layout.headings = false;
    if (!context.json()) context.screen.out += table.render(layout);
    context.print_json(*report);
    return code::done;
}

}  // namespace reeve::ctl::commands
