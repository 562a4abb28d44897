#include "ctl/ending.hpp"

#include "ctl/change.hpp"
#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl {

Request wait_request(const std::vector<std::string>& units, std::optional<Duration> limit) {
    Request request;
    request.member = "Wait";
    const bool endless = !limit || *limit == forever;
    const std::uint64_t timeout = endless ? UINT64_MAX : static_cast<std::uint64_t>(limit->count());
    request.arguments = {{"as", Value::strings(units)},
                         Argument::dictionary()
                             .set(api::option::id, "s", Client::new_id())
                             .set(api::option::timeout, "t", timeout)};
    request.patience = patience(limit.value_or(forever));
    return request;
}

Ending ending_of(const Value& row) {
    return {std::string{row.at(0).text()},
            std::string{row.at(1).text()},
            row.at(2).natural(),
            static_cast<int>(row.at(3).integer()),
            static_cast<int>(row.at(4).integer()),
            std::string{row.at(5).text()}};
}

std::vector<Ending> wait_for(Context& context, const std::vector<std::string>& units,
                             std::optional<Duration> limit) {
    Request request = wait_request(units, limit);
    context.client().perform(request,
                             progress_of(context, "waiting for " + join(units, ", "), units));
    context.screen.clear_progress();
    if (request.failure) throw *request.failure;
    std::vector<Ending> endings;
    for (const Value& row : request.reply.at(0).items()) endings.push_back(ending_of(row));
    return endings;
}

int exit_code_of(const Ending& ending) {
    if (ending.result == "wait-timeout") return code::no_lease;
    if (ending.signal != 0) return 128 + ending.signal;
    if (ending.code != 0) return ending.code;
    return ending.state == api::state::failed ? code::failed : code::done;
}

std::string to_text(const Ending& ending) {
    if (ending.result == "none") return ending.state + ", has not run";
    if (ending.signal != 0) {
        return ending.state + ", exit code -" + std::to_string(ending.signal) + " (signal " +
               signal_name(ending.signal) + ")";
    }
    if (ending.code == 0 && ending.result != "success") return ending.state + ", " + ending.result;
    return ending.state + ", exit code " + std::to_string(ending.code);
}

Value to_value(const Ending& ending) {
    return Value{}
        .set("unit", ending.unit)
        .set("state", ending.state)
        .set("run", ending.run)
        .set("exitcode", exitcode(ending.result, ending.code, ending.signal))
        .set("result", ending.result);
}

}  // namespace reeve::ctl
