// device list|who: who holds what, who waits for it.
#include <algorithm>

#include "ctl/commands/verbs.hpp"
#include "ctl/text.hpp"

namespace reeve::ctl::commands {

namespace {

// The devices of these names; all if there are none. Throws Failure for one that is not known.
std::vector<Value> devices(Context& context, const std::vector<std::string>& names) {
    const auto reply = context.client().call("ListDevices");
    const auto& all = reply.at(0).items();
    if (names.empty()) return all;
    std::vector<Value> chosen;
    for (const auto& name : names) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const Value& device) {
            return device.at(0).text() == name;
        });
        if (found == all.end()) {
            throw Failure{code::no_such_unit, "NoSuchUnit",
                          "no device \"" + name + "\"; `reevectl device list` tells them all"};
        }
        chosen.push_back(*found);
    }
    return chosen;
}

void print_table(Context& context, const std::vector<Value>& list) {
    Table table{{"DEVICE", "CLASS", "HELD", "BY", "WAITING"}};
    for (const Value& device : list) {
        const std::size_t held = device.at(3).items().size();
        const bool full = held >= device.at(2).natural();
        table.add({{std::string{device.at(0).text()}},
                   {std::string{device.at(1).text()}},
                   {std::to_string(held) + "/" + std::to_string(device.at(2).natural()),
                    full ? Style::warning : Style::plain},
                   {join(device.at(3).words(), ", ")},
                   {join(device.at(4).words(), ", ")}});
    }
    context.screen.out += table.render(context.screen.layout());
}

void print_people(Context& context, const std::vector<Value>& list) {
    for (const Value& device : list) {
        const std::string name{device.at(0).text()};
        for (const auto& unit : device.at(3).words()) context.line(name + "  holds  " + unit);
        for (const auto& unit : device.at(4).words()) context.line(name + "  waits  " + unit);
        if (device.at(3).items().empty() && device.at(4).items().empty()) {
            context.line(name + "  free");
        }
    }
}

}  // namespace

int device(Context& context) {
    const std::string verb = context.arguments.words.front();
    if (verb != "list" && verb != "who") {
        throw usage_error("device: found \"" + verb + "\", expected list or who");
    }
    const auto list =
        devices(context, {context.arguments.words.begin() + 1, context.arguments.words.end()});
    Value json = Value::list();
    for (const Value& device : list) {
        json.add(Value{}
                     .set("device", device.at(0))
                     .set("class", device.at(1))
                     .set("capacity", device.at(2))
                     .set("holders", device.at(3))
                     .set("waiting", device.at(4)));
    }
    if (context.json()) {
        context.print_json(Value{}.set("devices", std::move(json)));
    } else if (verb == "list") {
        print_table(context, list);
    } else {
        print_people(context, list);
    }
    return code::done;
}

}  // namespace reeve::ctl::commands
