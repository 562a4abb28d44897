// show: all properties of units, and their definition, one a line or as JSON.
#include <algorithm>
#include <cstdio>
#include <limits>

#include "ctl/commands/verbs.hpp"
#include "ctl/duration.hpp"
#include "ctl/json.hpp"
#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"

namespace reeve::ctl::commands {

namespace {

// A text as it is, lists with commas, the rest as JSON.
std::string plain(const Value& value) {
    if (value.is_text()) return printable(value.text());
    if (!value.is_list()) return to_json(value);
    std::string out;
    for (const Value& item : value.items()) {
        out +=
            (out.empty() ? "" : ", ") + (item.is_text() ? printable(item.text()) : to_json(item));
    }
    return out;
}

constexpr std::string_view times[] = {"wait-timeout", "start-timeout", "stop-timeout",
                                      "run-timeout", "watchdog"};

// As it is written in a unit file: "30s", "infinity", "0027", "TERM".
std::string as_written(const Field& field) {
    const std::uint64_t number = field.value.natural();
    if (std::find(std::begin(times), std::end(times), field.key) != std::end(times)) {
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        return units::to_string(number > most ? forever
                                              : Duration{static_cast<std::int64_t>(number)});
    }
    if (field.key == "kill-signal") return signal_name(static_cast<std::int64_t>(number));
    if (field.key != "umask") return plain(field.value);
    char octal[8];
    std::snprintf(octal, sizeof octal, "%04o", static_cast<unsigned>(number & 07777));
    return octal;
}

// Programs are told null for what has no limit.
Value without_infinity(const Value& definition) {
    Value out = Value::object();
    for (const Field& field : definition.fields()) {
        const bool infinite = field.value.natural() == std::numeric_limits<std::uint64_t>::max();
        out.set(field.key, infinite ? Value{} : field.value);
    }
    return out;
}

// "MainPid", as on the bus, is main_pid here.
std::string key_of(const std::string& word) {
    std::string key;
    for (const char c : word) {
        const bool capital = c >= 'A' && c <= 'Z';
        if (capital && !key.empty()) key += '_';
        key += static_cast<char>(capital ? c - 'A' + 'a' : c);
    }
    return key;
}

Value chosen_only(const Value& all, const std::vector<std::string>& chosen) {
    if (chosen.empty()) return all;
    Value some = Value::object();
    for (const auto& word : chosen) {
        const std::string key = key_of(word);
        const auto& fields = all.fields();
        const auto found = std::find_if(fields.begin(), fields.end(),
                                        [&](const Field& field) { return field.key == key; });
        if (found == fields.end()) {
            throw usage_error("show: no property \"" + key + "\"; `reevectl show UNIT` tells all");
        }
        some.set(key, found->value);
    }
    return some;
}

}  // namespace

int show(Context& context) {
    const bool bare = context.arguments.has(Opt::value_only);
    const auto chosen = context.arguments.list(Opt::property);
    const auto units = describe(context.client(), context.arguments.words);
    const Now now = Now::of(context.place);
    Value list = Value::list();
    for (const Value& unit : units) {
        Value all = unit_json(unit, now);
        if (!unit["Kind"].text().empty()) {
            const auto reply = context.client().call("Definition", {unit["Name"].text()});
            all.set("definition", reply.at(0));
        }
        const Value some = chosen_only(all, chosen);
        if (!list.items().empty()) context.line("");
        const auto tell = [&](const std::string& key, const std::string& text) {
            context.line(bare ? text : key + ": " + text);
        };
        for (const Field& field : some.fields()) {
            if (field.key != "definition") tell(field.key, plain(field.value));
        }
        for (const Field& field : some["definition"].fields()) {
            tell("definition." + field.key, as_written(field));
        }
        Value told = Value::object();
        for (const Field& field : some.fields())
            told.set(field.key,
                     field.key == "definition" ? without_infinity(field.value) : field.value);
        list.add(std::move(told));
    }
    context.print_json(Value{}.set("units", std::move(list)));
    return code::done;
}

}  // namespace reeve::ctl::commands
