// check: the problems of unit files, found by the code that loads them; needs no manager.
#include "units/check.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/definitions.hpp"

namespace reeve::ctl::commands {

namespace {

Value to_value(const units::Problem& problem) {
    return Value{}
        .set("severity", problem.severity == units::Severity::error ? "error" : "warning")
        .set("file", problem.file)
        .set("line", problem.line)
        .set("column", problem.column)
        .set("key", problem.key)
        .set("text", problem.text);
}

std::string number_of(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

int check(Context& context) {
    const auto& words = context.arguments.words;
    const auto report = units::check({words.begin(), words.end()}, load_options(context.place));
    Value problems = Value::list();
    std::size_t errors = 0;
    for (const units::Problem& problem : report.problems) {
        const bool is_error = problem.severity == units::Severity::error;
        errors += is_error ? 1 : 0;
        problems.add(to_value(problem));
        if (is_error || !context.quiet()) {
            context.line(context.screen.painted(is_error ? Style::bad : Style::warning,
                                                units::to_string(problem)));
        }
    }
    if (!context.quiet()) {
        context.line(number_of(report.units, "good unit") + ", " + number_of(errors, "error") +
                     ", " + number_of(report.problems.size() - errors, "warning"));
    }
    context.print_json(Value{}
                           .set("ok", report.good())
                           .set("units", std::uint64_t{report.units})
                           .set("problems", std::move(problems)));
    return report.good() ? code::done : code::failed;
}

}  // namespace reeve::ctl::commands
