#include "ctl/change.hpp"

#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl {

namespace {

constexpr Duration progress_after = std::chrono::seconds{1};
constexpr Duration progress_every = std::chrono::milliseconds{500};

Value error_json(const std::optional<Failure>& failure, const std::string& unit) {
    if (!failure) return {};
    return Value{}.set("name", failure->name).set("message", advised(*failure, unit));
}

// Tells what of `requests` failed; returns the exit code.
int complain_about(Context& context, const std::vector<Request>& requests,
                   const std::vector<std::string>& units) {
    int code = code::done;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (!requests[i].failure) continue;
        const Failure& failure = *requests[i].failure;
        context.complain(units[i] + ": " + advised(failure, units[i]));
        if (code == code::done) code = failure.code;
    }
    return code;
}

}  // namespace

Duration patience(Duration timeout) {
    constexpr Duration more = std::chrono::seconds{10};
    return timeout < forever - more ? timeout + more : forever;
}

Duration patience(const Context& context, Duration standard) {
    return patience(context.arguments.duration(Opt::timeout).value_or(standard));
}

Argument request_options(const Context& context) {
    Argument options = Argument::dictionary();
    options.set(api::option::id, "s", Client::new_id());
    if (const auto timeout = context.arguments.duration(Opt::timeout)) {
        const auto never = UINT64_MAX;
        options.set(api::option::timeout, "t",
                    *timeout == forever ? Value{std::uint64_t{never}}
                                        : Value{static_cast<std::uint64_t>(timeout->count())});
    }
    return options;
}

std::string advised(const Failure& failure, const std::string& unit) {
    std::string message = failure.what();
    if (message.find("reevectl ") != std::string::npos) return message;  // says it already
    switch (failure.code) {
        case code::no_such_unit: return message + "; `reevectl list` tells the names there are";
        case code::refused: return message + "; try as root or as a member of the group reeve";
        case code::timed_out:
            return message + "; what was asked stays asked: `reevectl why " + unit + "`";
        default:
            return failure.name == "Failed" ? message + "; see `reevectl status " + unit + "`"
                                            : message;
    }
}

Watcher progress_of(Context& context, std::string doing, std::vector<std::string> units) {
    if (!context.screen.shows_progress() || context.quiet()) return {};
    auto look = [&context, doing = std::move(doing), units = std::move(units)](Duration elapsed) {
        if (elapsed < progress_after) return;
        std::vector<std::string> each;
        try {
            const Now now = Now::of(context.place);
            for (const Value& unit :
                 describe(context.client(), units,
                          {"State", "Since", "SinceRealtime", "NextStart", "Result", "Detail",
                           "WaitsFor", "WaitsSince", "Status"})) {
                const std::string more = summary(unit, now);
                each.push_back(std::string{unit["Name"].text()} + " is " +
                               std::string{unit["State"].text()} +
                               (more.empty() ? "" : ": " + more));
            }
        } catch (const Failure&) {
            each = units;  // its name is not known: the request will say so
        }
        context.screen.progress(doing + ", " + to_seconds_text(elapsed) + ": " + join(each, "; "));
    };
    return {progress_every, std::move(look), nullptr};
}

int carry_out(Context& context, const Change& change, const std::vector<std::string>& units) {
    std::vector<Request> requests;
    for (const auto& unit : units) {
        Request request;
        request.member = change.member;
        request.arguments = {unit, request_options(context)};
        request.patience = patience(context);
        requests.push_back(std::move(request));
    }
    context.client().perform(requests, progress_of(context, change.doing, units));
    context.screen.clear_progress();

    Value outcomes = Value::list();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const Request& request = requests[i];
        const std::string state{request.reply.empty() ? "" : request.reply[0].text()};
        const std::uint64_t run = request.reply.size() < 2 ? 0 : request.reply[1].natural();
        outcomes.add(Value{}
                         .set("unit", units[i])
                         .set("ok", !request.failure)
                         .set("state", request.failure ? Value{} : Value{state})
                         .set("run", run)
                         .set("error", error_json(request.failure, units[i])));
        if (request.failure || context.quiet()) continue;
        context.line(units[i] + ": " + context.screen.painted(style_of(state), state) +
                     (is_up(state) && run != 0 ? ", run " + std::to_string(run) : ""));
    }
    context.print_json(Value{}.set("units", std::move(outcomes)));
    return complain_about(context, requests, units);
}

int carry_out(Context& context, const std::vector<std::string>& units,
              const std::function<Request(const std::string&)>& request) {
    std::vector<Request> requests;
    requests.reserve(units.size());
    for (const auto& unit : units) requests.push_back(request(unit));
    context.client().perform(requests);
    Value outcomes = Value::list();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        outcomes.add(Value{}
                         .set("unit", units[i])
                         .set("ok", !requests[i].failure)
                         .set("error", error_json(requests[i].failure, units[i])));
    }
    context.print_json(Value{}.set("units", std::move(outcomes)));
    return complain_about(context, requests, units);
}

}  // namespace reeve::ctl
