// event set|clear|show|wait: named latches.
#include <unistd.h>

#include <algorithm>

#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"

namespace reeve::ctl::commands {

namespace {

using Words = std::vector<std::string>;

std::string name_of(const std::string& word) {
    return word.starts_with("event:") ? word.substr(6) : word;  // as a gate writes it
}

int set(Context& context, const Words& names) {
    return carry_out(context, names, [&](const std::string& name) {
        Request request;
        request.member = "SetEvent";
        request.arguments = {name, request_options(context)};
        return request;
    });
}

int clear(Context& context, const Words& names) {
    Value events = Value::list();
    for (const auto& name : names) {
        const auto reply = context.client().call("ClearEvent", {name, request_options(context)});
        const Words setters = reply.at(0).words();
        if (!setters.empty() && !context.quiet()) {
            context.line(name + ": still set by " + join(setters, ", "));
        }
        events.add(Value{}.set("event", name).set("still_set_by", Value::strings(setters)));
    }
    context.print_json(Value{}.set("events", std::move(events)));
    return code::done;
}

int show(Context& context, const Words& names) {
    const auto reply = context.client().call("ListEvents");
    Table table{{"EVENT", "IS", "SET BY", "WAITING"}};
    Value events = Value::list();
    for (const Value& event : reply.at(0).items()) {
        const std::string name{event.at(0).text()};
        if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
        Words setters = event.at(3).words();
        if (event.at(2).boolean()) setters.insert(setters.begin(), "(mark)");
        const bool is_set = event.at(1).boolean();
        table.add({{name},
                   {is_set ? "set" : "clear", is_set ? Style::good : Style::dim},
                   {join(setters, ", ")},
                   {join(event.at(4).words(), ", ")}});
        events.add(Value{}
                       .set("event", name)
                       .set("set", event.at(1))
                       .set("marked", event.at(2))
                       .set("set_by", event.at(3))
                       .set("waiting", event.at(4)));
    }
    // An event that nobody has mentioned is clear like any other.
    for (const auto& name : names) {
        const auto& known = events.items();
        const bool told = std::any_of(known.begin(), known.end(), [&](const Value& event) {
            return event["event"].text() == name;
        });
        if (told) continue;
        table.add({{name}, {"clear", Style::dim}});
        events.add(Value{}
                       .set("event", name)
                       .set("set", false)
                       .set("marked", false)
                       .set("set_by", Value::list())
                       .set("waiting", Value::list()));
    }
    if (!context.json()) context.screen.out += table.render(context.screen.layout());
    context.print_json(Value{}.set("events", std::move(events)));
    return code::done;
}

int wait(Context& context, const Words& names) {
    const Duration limit = context.arguments.duration(Opt::timeout).value_or(forever);
    std::vector<Request> requests;
    for (const auto& name : names) {
        Request request;
        request.member = "WaitEvent";
        request.arguments = {
            name, Argument::dictionary()
                      .set("id", "s", Client::new_id())
                      .set("timeout", "t",
                           limit == forever ? Value{UINT64_MAX}
                                            : Value{static_cast<std::uint64_t>(limit.count())})};
        request.patience = patience(context, forever);
        requests.push_back(std::move(request));
    }
    const auto begin = Now::of(context.place).monotonic;
    Watcher watcher;
    watcher.interval = std::chrono::seconds{1};
    if (!context.quiet()) {
        watcher.look = [&](Duration elapsed) {
            Words open;
            for (std::size_t i = 0; i < names.size(); ++i) {
                if (!requests[i].answered) open.push_back(names[i]);
            }
            const std::string text =
                "waiting for event " + join(open, ", ") + ": " + to_seconds_text(elapsed);
            if (context.screen.shows_progress()) return context.screen.progress(text);
            write_all(STDERR_FILENO, text + "\n", "write to standard error");
        };
    }
    context.client().perform(requests, watcher);
    context.screen.clear_progress();
    const auto waited = Now::of(context.place).monotonic - begin;
    int code = code::done;
    Value events = Value::list();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& failure = requests[i].failure;
        if (failure) {
            const std::string subject = "event " + names[i];
            const std::string said = failure->what();  // which may name it already
            context.complain(said.starts_with(subject + " ") ? said : subject + ": " + said);
            if (code == code::done) code = failure->code;
        }
        events.add(Value{}.set("event", names[i]).set("set", !failure).set("waited_us", waited));
    }
    context.print_json(Value{}.set("events", std::move(events)));
    return code;
}

}  // namespace

int event(Context& context) {
    const std::string verb = context.arguments.words.front();
    Words names;
    for (std::size_t i = 1; i < context.arguments.words.size(); ++i) {
        names.push_back(name_of(context.arguments.words[i]));
    }
    if (verb == "show" || verb == "list") return show(context, names);
    const bool known = verb == "set" || verb == "clear" || verb == "wait";
    if (!known)
        throw usage_error("event: found \"" + verb + "\", expected set, clear, show or wait");
    if (names.empty())
        throw usage_error("event " + verb + " needs a name: reevectl event " + verb + " NAME");
    if (verb == "set") return set(context, names);
    if (verb == "clear") return clear(context, names);
    return wait(context, names);
}

}  // namespace reeve::ctl::commands
