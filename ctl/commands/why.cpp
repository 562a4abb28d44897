// why: every condition that is not met, and since when.
#include "ctl/commands/verbs.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl::commands {

int why(Context& context) {
    const auto& words = context.arguments.words;
    const auto units = describe(context.client(), words, {"State", "Since", "SinceRealtime"});
    const Now now = Now::of(context.place);
    Value all = Value::list();
    for (const Value& unit : units) {
        const std::string name{unit["Name"].text()};
        const auto reply = context.client().call("Why", {name});
        Table table{{"", "WHAT", "SINCE"}};
        Value reasons = Value::list();
        for (const Value& reason : reply.at(0).items()) {
            const std::uint64_t since = reason.at(2).natural();
            const Duration time = now.since(since, unit);
            table.add({{""},
                       {reason_text(reason.at(0).text(), reason.at(1).text())},
                       {since == 0 ? "" : "for " + to_text(time)}});
            reasons.add(
                Value{}
                    .set("kind", reason.at(0))
                    .set("what", reason.at(1))
                    .set("for_us", since == 0 ? Value{} : Value{std::int64_t{time.count()}}));
        }
        const std::string state{unit["State"].text()};
        context.line(name + ": " + context.screen.painted(style_of(state), state) +
                     (table.rows() == 0              ? ", nothing is in its way"
                      : state == api::state::waiting ? ", waits for"
                                                     : ", because"));
        auto layout = context.screen.layout();
        layout.headings = false;
        if (!context.json()) context.screen.out += table.render(layout);
        all.add(Value{}.set("unit", name).set("state", state).set("reasons", std::move(reasons)));
    }
    context.print_json(Value{}.set("units", std::move(all)));
    return code::done;
}

}  // namespace reeve::ctl::commands
