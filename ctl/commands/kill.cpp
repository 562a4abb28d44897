// terminate and kill: a signal only; the end counts as the unit's own.
#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl::commands {

namespace {

int send(Context& context, const std::string& signal) {
    const std::string whom = context.arguments.value(Opt::whom).value_or("main");
    if (whom != "main" && whom != "all") {
        throw usage_error("--whom: found \"" + whom + "\", expected main or all");
    }
    return carry_out(context, context.arguments.words, [&](const std::string& unit) {
        Request request;
        request.member = "Kill";
        request.arguments = {unit, signal, whom, request_options(context)};
        request.patience = patience(context);
        return request;
    });
}

}  // namespace

int terminate(Context& context) {
    return send(context, "TERM");
}

int kill(Context& context) {
    return send(context, context.arguments.value(Opt::signal).value_or("KILL"));
}

}  // namespace reeve::ctl::commands
