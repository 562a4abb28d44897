// status: what runs, and first of all what does not.
#include <algorithm>

#include "ctl/commands/verbs.hpp"
#include "ctl/detail.hpp"
#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl::commands {

namespace {

const std::vector<std::string> shown_properties{
    "Kind",   "Description", "State",  "Since",    "SinceRealtime", "NextStart",
    "Result", "Detail",      "Status", "WaitsFor", "WaitsSince",    "MainPid",
    "Masked", "Stale",       "Pids",   "Problems"};

struct Manager {
    std::vector<Value> units;
    Value properties;
};

// What needs attention first; a file with problems as much as a failure.
int rank(const Value& unit) {
    return unit["Problems"].items().empty() ? urgency(unit["State"].text()) : 0;
}

// Both calls in one go: the answer takes one turn of the manager.
Manager ask(Context& context) {
    std::vector<Request> requests(2);
    requests[0].member = "GetAll";
    requests[0].interface = "org.freedesktop.DBus.Properties";
    requests[0].arguments = {api::interface::manager};
    Argument options = Argument::dictionary();
    if (!context.json()) options.set("properties", "as", Value::strings(shown_properties));
    requests[1].member = "Describe";
    requests[1].arguments = {{"as", Value::list()}, options};
    context.client().perform(requests);
    for (const Request& request : requests) {
        if (request.failure) throw *request.failure;
    }
    Manager manager{requests[1].reply.at(0).items(), requests[0].reply.at(0)};
    std::stable_sort(manager.units.begin(), manager.units.end(),
                     [](const Value& a, const Value& b) { return rank(a) < rank(b); });
    return manager;
}

std::size_t count(const Manager& manager, std::string_view state) {
    return static_cast<std::size_t>(
        std::count_if(manager.units.begin(), manager.units.end(),
                      [&](const Value& unit) { return unit["State"].text() == state; }));
}

std::string headline(const Context& context, const Manager& manager) {
    constexpr const char* states[] = {
        api::state::failed,   api::state::waiting, api::state::backoff, api::state::starting,
        api::state::stopping, api::state::killing, api::state::up,      api::state::reloading,
        api::state::done,     api::state::down};
    std::string line =
        std::to_string(manager.units.size()) + (manager.units.size() == 1 ? " unit" : " units");
    const char* separator = ": ";
    for (const char* state : states) {
        const std::size_t number = count(manager, state);
        if (number == 0) continue;
        line += std::exchange(separator, ", ");
        line += context.screen.painted(style_of(state), std::to_string(number) + " " + state);
    }
    return line + "  (reeved " + std::string{manager.properties["Version"].text()} + ", " +
           (manager.properties["System"].boolean() ? "system" : "user") + ", pid " +
           std::to_string(manager.properties["Pid"].natural()) + ")";
}

void print_table(Context& context, const Manager& manager) {
    Table table{{"UNIT", "STATE", "FOR", "PID", ""}};
    const Now now = Now::of(context.place);
    for (const Value& unit : manager.units) {
        const std::string_view state = unit["State"].text();
        const std::uint64_t since = unit["Since"].natural();
        const std::uint64_t pid = unit["MainPid"].natural();
        table.add({{std::string{unit["Name"].text()} + (unit["Stale"].boolean() ? " (stale)" : "")},
                   {std::string{state}, style_of(state)},
                   {since == 0 ? "" : to_text(now.since(since, unit))},
                   {pid == 0 ? "" : std::to_string(pid)},
                   {summary(unit, now)}});
    }
    auto layout = context.screen.layout();
    const std::size_t screen_rows = context.screen.rows();
    // Headline, headings, the note on the rest, and the prompt after it.
    constexpr std::size_t others = 4;
    if (screen_rows > others && table.rows() > screen_rows - others) {
        layout.rows = screen_rows - others;
    }
    context.screen.out += table.render(layout);
    if (layout.rows < table.rows()) {
        context.line("… and " + std::to_string(table.rows() - layout.rows) +
                     " more: reevectl list");
    }
}

int of_all(Context& context) {
    const Manager manager = ask(context);
    if (context.json()) {
        Value counts = Value::object();
        Value units = Value::list();
        const Now now = Now::of(context.place);
        for (const Field& field : manager.properties["Counts"].fields()) {
            counts.set(field.key, field.value);
        }
        for (const Value& unit : manager.units) units.add(unit_json(unit, now));
        context.print_json(Value{}
                               .set("version", manager.properties["Version"])
                               .set("pid", manager.properties["Pid"])
                               .set("system", manager.properties["System"])
                               .set("rolled_back", manager.properties["RolledBack"].boolean())
                               .set("counts", std::move(counts))
                               .set("units", std::move(units)));
    } else if (!context.quiet()) {
        context.line(headline(context, manager));
        if (manager.properties["RolledBack"].boolean())
            context.line(context.screen.painted(
                Style::warning,
                "rolled back: the definitions in force are not those of the files"));
        print_table(context, manager);
    }
    const bool trouble = count(manager, api::state::failed) + count(manager, api::state::waiting) +
                             count(manager, api::state::backoff) >
                         0;
    return trouble ? code::not_up : code::done;
}

int of_some(Context& context) {
    const auto units = describe(context.client(), context.arguments.words);
    const Now now = Now::of(context.place);
    bool all_up = true;
    Value json = Value::list();
    for (const Value& unit : units) {
        all_up = all_up && is_up(unit["State"].text());
        if (context.json()) {
            json.add(unit_json(unit, now));
        } else if (!context.quiet()) {
            if (&unit != &units.front()) context.line("");
            print_details(context, unit, now);
        }
    }
    context.print_json(Value{}.set("units", std::move(json)));
    return all_up ? code::done : code::not_up;
}

}  // namespace

int status(Context& context) {
    return context.arguments.words.empty() ? of_all(context) : of_some(context);
}

}  // namespace reeve::ctl::commands
