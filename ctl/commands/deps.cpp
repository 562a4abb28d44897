// deps: what a unit needs and what needs it, from the definitions: the manager's, or with --root
// those of the files.
#include "ctl/commands/verbs.hpp"
#include "ctl/definitions.hpp"
#include "ctl/graph.hpp"
#include "ctl/unit_info.hpp"

namespace reeve::ctl::commands {

namespace {

constexpr const char* masked = "masked";
constexpr const char* bad = "its file has problems";

Graph graph_of(Context& context) {
    Graph graph;
    if (context.place.offline) {
        const units::UnitSet set = units::load(load_options(context.place));
        for (const auto& [name, unit] : set.units) graph.add(described(*unit));
        for (const auto& [name, file] : set.masked) graph.add_unusable(name, masked);
        for (const auto& [name, problems] : set.bad) graph.add_unusable(name, bad);
        graph.finish();
        return graph;
    }
    for (const Value& unit :
         describe(context.client(), {}, {"Kind", "Aliases", "Links", "Masked", "Problems"})) {
        if (!unit["Kind"].text().empty()) {
            graph.add(unit);
        } else if (unit["Masked"].boolean()) {
            graph.add_unusable(std::string{unit["Name"].text()}, masked);
        } else if (!unit["Problems"].items().empty()) {
            graph.add_unusable(std::string{unit["Name"].text()}, bad);
        }
    }
    graph.finish();
    return graph;
}

void print_side(Context& context, const std::string& heading, const std::string& tree) {
    context.line(heading + (tree.empty() ? ": nothing" : ":"));
    if (!context.json()) context.screen.out += tree;
}

}  // namespace

int deps(Context& context) {
    const Graph graph = graph_of(context);
    const bool both = !context.arguments.has(Opt::reverse);
    Value units = Value::list();
    for (const auto& word : context.arguments.words) {
        const std::string unit = graph.name_of(word);
        const std::string* const unusable = graph.unusable(unit);
        if (!graph.knows(unit) && unusable == nullptr) {
            throw Failure{code::no_such_unit, "NoSuchUnit",
                          "no unit \"" + word + "\"; `reevectl list` tells the names there are"};
        }
        if (!graph.knows(unit)) context.line(unit + " cannot start: " + *unusable);
        if (both) print_side(context, unit + " needs", graph.tree(unit, true));
        print_side(context, unit + " is needed by", graph.tree(unit, false));
        units.add(Value{}
                      .set("unit", unit)
                      .set("needs", graph.json(unit, true))
                      .set("needed_by", graph.json(unit, false)));
    }
    context.print_json(Value{}.set("units", std::move(units)));
    return code::done;
}

}  // namespace reeve::ctl::commands
