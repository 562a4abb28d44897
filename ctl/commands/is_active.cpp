// is-active and is-failed: a state for scripts.
#include "ctl/commands/verbs.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl::commands {

namespace {

// The states in the order of the words; a word may be a pattern.
std::vector<std::string> states(Context& context) {
    std::vector<Request> requests;
    for (const auto& unit : context.arguments.words) {
        Request request;
        request.member = "Describe";
        request.arguments = {
            {"as", Value::strings({unit})},
            Argument::dictionary().set("properties", "as", Value::strings({"State"}))};
        requests.push_back(std::move(request));
    }
    context.client().perform(requests);
    std::vector<std::string> states;
    Value list = Value::list();
    for (const Request& request : requests) {
        if (request.failure) throw *request.failure;
        for (const Value& unit : request.reply.at(0).items()) {
            states.emplace_back(unit["State"].text());
            list.add(Value{}.set("unit", unit["Name"]).set("state", states.back()));
            if (!context.quiet()) context.line(states.back());
        }
    }
    context.print_json(Value{}.set("units", std::move(list)));
    return states;
}

}  // namespace

int is_active(Context& context) {
    bool all = true;
    for (const auto& state : states(context)) all = all && is_up(state);
    return all ? code::done : code::not_up;
}

int is_failed(Context& context) {
    bool any = false;
    for (const auto& state : states(context)) any = any || state == api::state::failed;
    return any ? code::done : code::failed;
}

}  // namespace reeve::ctl::commands
