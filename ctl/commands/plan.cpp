// plan, apply and rollback: what changes in the set of unit files.
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
constexpr Section before_changes[] = {
    {"added", "+", "added", Style::good},
    {"removed", "-", "removed", Style::bad},
};
constexpr Section after_changes[] = {
    {"masked", "x", "masked", Style::warning},
    {"restarted", "!", "restarts", Style::warning},
    {"stale", "!", "runs on with an older definition until its next start", Style::warning},
};

void print_unit(Context& context, const Section& section, std::string_view unit) {
    const std::string marked = std::string{section.mark} + " " + printable(unit);
    context.line(context.screen.painted(section.style, marked) + "  " + section.what);
}

// "    service.command: [\"/usr/bin/x\"] -> [\"/usr/bin/y\"]"
void print_key(Context& context, const Value& key) {
    const auto side = [&](const char* which) {
        const auto text = key[which].text();
        return text.empty() ? std::string{"(not set)"} : printable(text);
    };
    context.line("    " + printable(key["key"].text()) + ": " + side("was") + " -> " + side("is"));
}

void print_refused(Context& context, const Value& report) {
    for (const Value& problem : report["problems"].items()) context.line(printable(problem.text()));
    if (!report["failed"].text().empty()) context.line(printable(report["failed"].text()));
    for (const Value& one : report["refused"].items())
        print_unit(context, {"", "?", "refused", Style::bad}, one["unit"].text());
}

// True when there was anything to tell.
bool print_changes(Context& context, const Value& report) {
    bool any = false;
    const auto print = [&](const Section& section) {
        for (const Value& unit : report[section.key].items()) {
            print_unit(context, section, unit.text());
            any = true;
        }
    };
    print_refused(context, report);
    for (const Section& section : before_changes) print(section);
    for (const Value& unit : report["changed"].items()) {
        print_unit(context, {"", "~", "changed", Style::warning}, unit["unit"].text());
        for (const Value& key : unit["keys"].items()) print_key(context, key);
        any = true;
    }
    for (const Section& section : after_changes) print(section);
    if (any) context.line(std::to_string(report["unchanged"].natural()) + " left alone");
    if (report["rolled_back"].boolean()) context.line("rolled back: the files say something else");
    return any || !report["failed"].text().empty() || !report["refused"].items().empty() ||
           !report["problems"].items().empty();
}

// What to do about what was printed; a step that failed says so itself.
int complain(Context& context, const Value& report, std::string what) {
    if (!report["refused"].items().empty()) what += "; mend what is named above";
    context.complain(what);
    return code::failed;
}

// The manager's report in our shape (docs/json/plan.schema.json).
Value parsed(std::string_view text) {
    const auto report = parse_json(text);
    if (!report) throw Failure{code::failed, "Failed", "the manager's report is not JSON"};
    Value shaped;
    shaped.set("ok", (*report)["ok"].boolean());
    for (const char* key :
         {"problems", "refused", "added", "removed", "changed", "restarted", "stale", "masked"}) {
        shaped.set(key, (*report)[key].is_list() ? (*report)[key] : Value::list());
    }
    shaped.set("unchanged", (*report)["unchanged"].natural());
    shaped.set("rolled_back", (*report)["rolled_back"].boolean());
    if (!(*report)["failed"].text().empty()) shaped.set("failed", (*report)["failed"]);
    return shaped;
}

void add_restarts(const Context& context, Argument& options) {
    const auto& units = context.arguments.words;
    const bool restart = context.arguments.has(Opt::restart);
    if (restart && context.arguments.has(Opt::no_restart))
        throw usage_error("--restart and --no-restart exclude each other");
    if (!restart && !units.empty())
        throw usage_error("units are named with --restart: `reevectl apply --restart UNIT…`");
    if (!units.empty())
        options.set("restart", "as", Value::strings(units));
    else if (restart)
        options.set("restart-changed", "b", true);
}

int tell_plan(Context& context, Argument options) {
    Request request;
    request.member = "Plan";
    request.arguments = {std::move(options)};
    const Value report = parsed(context.client().call(std::move(request)).at(0).text());
    if (!print_changes(context, report)) context.line("nothing to change");
    context.print_json(report);
    if (report["ok"].boolean()) return code::done;
    return complain(context, report, "this would be refused as a whole");
}

int take_over(Context& context, const char* member, bool rollback) {
    if (context.arguments.has(Opt::dry_run)) {
        Argument options = Argument::dictionary();
        add_restarts(context, options);
        if (rollback) options.set("rollback", "b", true);
        return tell_plan(context, std::move(options));
    }
    Request request;
    request.member = member;
    request.arguments = {request_options(context)};
    add_restarts(context, request.arguments.front());
    request.patience = patience(context);
    const auto reply = context.client().call(std::move(request));
    const bool applied = reply.at(0).boolean();
    Value report = parsed(reply.at(1).text());
    if (!context.quiet() || !applied) {
        const bool any = print_changes(context, report);
        if (applied && !any) context.line("nothing changed");
    }
    report.set("applied", applied);
    context.print_json(report);
    if (applied) return code::done;
    context.screen.flush();
    return complain(context, report, "nothing was applied, the old definitions stay");
}

}  // namespace

int plan(Context& context) {
    return tell_plan(context, Argument::dictionary());
}

int apply(Context& context) {
    return take_over(context, "Apply", false);
}

int rollback(Context& context) {
    return take_over(context, "Rollback", true);
}

}  // namespace reeve::ctl::commands
