// reset-failed and forget.
#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl::commands {

int reset_failed(Context& context) {
    auto units = context.arguments.words;
    if (units.empty()) units.emplace_back();  // all
    return carry_out(context, units, [&](const std::string& unit) {
        Request request;
        request.member = "ResetFailed";
        request.arguments = {unit, request_options(context)};
        return request;
    });
}

int forget(Context& context) {
    return carry_out(context, context.arguments.words, [&](const std::string& unit) {
        Request request;
        request.member = "Forget";
        request.arguments = {unit, request_options(context)};
        return request;
    });
}

}  // namespace reeve::ctl::commands
