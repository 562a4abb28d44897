// list: all units, one a line.
#include <algorithm>
#include <iterator>

#include "ctl/commands/verbs.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl::commands {

namespace {

// A slip would list nothing, as if there were nothing.
void check_states(const std::vector<std::string>& words) {
    constexpr std::string_view known[] = {
        api::state::down,      api::state::waiting,  api::state::starting, api::state::up,
        api::state::reloading, api::state::stopping, api::state::killing,  api::state::backoff,
        api::state::done,      api::state::failed};
    for (const auto& word : words) {
        if (std::find(std::begin(known), std::end(known), word) != std::end(known)) continue;
        std::string expected;
        for (const auto state : known) expected.append(expected.empty() ? "" : ", ").append(state);
        throw usage_error("--state: found \"" + word + "\", expected one of " + expected);
    }
}

}  // namespace

int list(Context& context) {
    Argument filter = Argument::dictionary();
    const auto narrow = [&](const char* key, const std::vector<std::string>& words) {
        if (!words.empty()) filter.set(key, "as", Value::strings(words));
    };
    narrow("names", context.arguments.words);
    check_states(context.arguments.list(Opt::state));
    narrow("states", context.arguments.list(Opt::state));
    narrow("kinds", context.arguments.list(Opt::kind));
    const auto reply = context.client().call("List", {filter});

    Table table{{"UNIT", "KIND", "STATE", "RUN", "DESCRIPTION"}};
    Value units = Value::list();
    for (const Value& unit : reply.at(0).items()) {
        const std::string_view state = unit.at(2).text();
        const std::uint64_t run = unit.at(4).natural();
        const std::string kind{unit.at(1).text()};
        table.add({{std::string{unit.at(0).text()}},
                   {kind.empty() ? "none" : kind},
                   {std::string{state}, style_of(state)},
                   {run == 0 ? "" : std::to_string(run)},
                   {std::string{unit.at(5).text()}}});
        units.add(Value{}
                      .set("name", unit.at(0))
                      .set("kind", unit.at(1))
                      .set("state", unit.at(2))
                      .set("asked", unit.at(3))
                      .set("run", unit.at(4))
                      .set("description", unit.at(5)));
    }
    if (!context.json()) context.screen.out += table.render(context.screen.layout());
    context.print_json(Value{}.set("units", std::move(units)));
    return code::done;
}

}  // namespace reeve::ctl::commands
