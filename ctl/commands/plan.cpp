// plan and apply: what changes in the set of unit files.
#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/json.hpp"
#include "ctl/text.hpp"

namespace reeve::ctl::commands {

namespace {

struct Section {
    const char* key;
    const char* mark;
    const char* what;
    Style style;
};
constexpr Section sections[] = {
    {"added", "+", "added", Style::good},
    {"removed", "-", "removed", Style::bad},
    {"changed", "~", "changed", Style::warning},
    {"masked", "x", "masked", Style::warning},
    {"stale", "!", "runs on with its old definition until its next start", Style::warning},
};

// Returns how many lines it took.
std::size_t print_changes(Context& context, const Value& report) {
    std::size_t lines = 0;
    for (const Value& problem : report["problems"].items()) {
        context.line(printable(problem.is_text() ? std::string{problem.text()} : to_json(problem)));
    }
    for (const Section& section : sections) {
        for (const Value& unit : report[section.key].items()) {
            context.line(context.screen.painted(section.style, std::string{section.mark} + " " +
                                                                   printable(unit.text())) +
                         "  " + section.what);
            ++lines;
        }
    }
    return lines;
}

// The manager's report in our shape (docs/json/plan.schema.json).
Value parsed(std::string_view text) {
    const auto report = parse_json(text);
    if (!report) throw Failure{code::failed, "Failed", "the manager's report is not JSON"};
    Value shaped;
    shaped.set("ok", (*report)["ok"].boolean());
    for (const char* key : {"problems", "added", "removed", "changed", "masked", "stale"}) {
        shaped.set(key, (*report)[key].is_list() ? (*report)[key] : Value::list());
    }
    return shaped;
}

}  // namespace

int plan(Context& context) {
    const Value report = parsed(context.client().call("Plan").at(0).text());
    if (print_changes(context, report) == 0 && report["problems"].items().empty()) {
        context.line("nothing to change");
    }
    context.print_json(report);
    if (report["ok"].boolean()) return code::done;
    context.complain("apply would refuse this; mend the files named above");
    return code::failed;
}

int apply(Context& context) {
    Request request;
    request.member = "Apply";
    request.arguments = {request_options(context)};
    request.patience = patience(context);
    const auto reply = context.client().call(std::move(request));
    const bool applied = reply.at(0).boolean();
    Value report = parsed(reply.at(1).text());
    if (!context.quiet() || !applied) {
        const std::size_t lines = print_changes(context, report);
        if (applied && lines == 0) context.line("nothing changed");
    }
    report.set("applied", applied);
    context.print_json(report);
    if (applied) return code::done;
    context.screen.flush();
    context.complain(
        "nothing was applied, the old definitions stay; mend the files named above, "
        "then `reevectl apply`");
    return code::failed;
}

}  // namespace reeve::ctl::commands
