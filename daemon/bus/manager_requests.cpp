// Requests for the core: read the arguments, check who asks, hand over. The answer comes back
// through Requests.
#include <algorithm>
#include <cctype>

#include "daemon/bus/manager_methods.hpp"
#include "daemon/bus/refusal.hpp"
#include "daemon/bus/requests.hpp"
#include "daemon/bus/signal_names.hpp"
#include "daemon/bus/transient.hpp"

namespace reeve::bus::manager {

namespace {

[[noreturn]] void deny(const std::string& what) {
    throw Refusal{api::error::access_denied,
                  "you may not " + what +
                      "; root, the manager's user and group reeve may, and whom `[access] control` "
                      "of the unit names"};
}

void check_controls_manager(const Call& call, const std::string& what) {
    if (!call.context.access.may_control(call.caller)) deny(what);
}

// The unit's own name. One that is not known yet may be the instance of a template, which only
// they may call into being who control the manager.
std::string controlled_unit(Call& call, const std::string& name, const std::string& what) {
    Context& context = call.context;
    const core::Engine& engine = context.backend.engine();
    const auto unit = engine.find(call.meant.empty() ? name : call.meant);
    if (!unit) {
        const bool may_be_made = name.find('@') != std::string::npos && call.meant.empty();
        if (may_be_made && context.access.may_control(call.caller)) throw ReadFirst{name};
        throw Refusal{api::error::no_such_unit, unknown_unit_text(context.backend, name)};
    }
    const units::UnitPtr definition = engine.view(*unit).definition;
    if (!context.access.may_control(call.caller, definition.get())) deny(what + " " + name);
    return std::string{engine.name(*unit)};
}

void check_event_name(const std::string& name) {
    const bool good = !name.empty() && name.size() <= 255 &&
                      std::ranges::none_of(
                          name, [](unsigned char c) { return std::iscntrl(c) != 0 || c == ' '; });
    if (!good) {
        throw Refusal{api::error::invalid_argument,
                      "an event's name has 1 to 255 characters and no spaces"};
    }
}

template <class Request>
constexpr Shape shape_of = Shape::state;
template <>
constexpr Shape shape_of<core::ForgetRequest> = Shape::nothing;

template <class Request>
void unit_request(Call& call, const char* method, const char* what, bool of_manager = false) {
    const std::string name = read_text(call.message);
    Dictionary options{call.message, "options"};
    const std::string asked = std::string{method} + " " + name;
    if (call.context.requests.asked_before(call, asked, options)) return;
    if (of_manager) check_controls_manager(call, what);
    const std::string unit = controlled_unit(call, name, what);
    auto caller = call.context.requests.open(call, {asked, shape_of<Request>, {unit}}, options);
    if (!caller) return;
    Request request{};
    request.caller = std::move(*caller);
    request.unit = unit;
    if constexpr (std::is_same_v<Request, core::RestartRequest>) {
        request.only_if_running = std::string_view{method} == "TryRestart";
    }
    call.context.backend.submit(std::move(request));
}

void event_request(Call& call, const char* method, Shape shape, bool set) {
    const std::string name = read_text(call.message);
    Dictionary options{call.message, "options"};
    check_controls_manager(call, set ? "set events" : "clear events");
    check_event_name(name);
    auto caller = call.context.requests.open(
        call, {std::string{method} + " " + name, shape, {name}}, options);
    if (!caller) return;
    call.context.backend.submit(core::EventRequest{std::move(*caller), name, set});
}

}  // namespace

void start(Call& call) {
    unit_request<core::StartRequest>(call, "Start", "start");
}
void stop(Call& call) {
    unit_request<core::StopRequest>(call, "Stop", "stop");
}
void restart(Call& call) {
    unit_request<core::RestartRequest>(call, "Restart", "restart");
}
void try_restart(Call& call) {
    unit_request<core::RestartRequest>(call, "TryRestart", "restart");
}
void reload(Call& call) {
    unit_request<core::ReloadRequest>(call, "Reload", "reload");
}
void isolate(Call& call) {
    unit_request<core::IsolateRequest>(call, "Isolate", "isolate", true);
}

void kill(Call& call) {
    const std::string name = read_text(call.message);
    const std::string signal_name = read_text(call.message);
    const std::string whom = read_text(call.message);
    Dictionary options{call.message, "options"};
    const std::string asked = "Kill " + name + " " + signal_name + " " + whom;
    if (call.context.requests.asked_before(call, asked, options)) return;
    const auto signal = signal_number(signal_name);
    if (!signal) {
        throw Refusal{api::error::invalid_argument,
                      "there is no signal \"" + signal_name + "\"; write TERM, SIGTERM or 15"};
    }
    if (whom != "main" && whom != "all") {
        throw Refusal{api::error::invalid_argument, "whom is \"main\" or \"all\""};
    }
    const std::string unit = controlled_unit(call, name, "signal");
    auto caller = call.context.requests.open(call, {asked, Shape::nothing, {unit}}, options);
    if (!caller) return;
    call.context.backend.submit(
        core::KillRequest{std::move(*caller), unit, *signal, whom == "all"});
}

void wait(Call& call) {
    std::vector<std::string> names = read_list(call.message);
    Dictionary options{call.message, "options"};
    std::string asked = "Wait";
    for (const std::string& name : names) asked += " " + name;
    if (call.context.requests.asked_before(call, asked, options)) return;
    const core::Engine& engine = call.context.backend.engine();
    for (const std::string& name : names) {
        if (engine.find(name)) continue;
        throw Refusal{api::error::no_such_unit, unknown_unit_text(call.context.backend, name)};
    }
    auto caller = call.context.requests.open(call, {asked, Shape::wait, names}, options);
    if (!caller) return;
    call.context.backend.submit(core::WaitRequest{std::move(*caller), std::move(names)});
}

void run(Call& call) {
    std::string name = read_text(call.message);
    Dictionary definition{call.message, "definition"};
    Dictionary options{call.message, "options"};
    check_controls_manager(call, "run transient units");
    std::string asked = "Run " + name;
    units::UnitPtr unit =
        make_transient(std::move(name), definition, call.caller, call.context.access);
    for (const std::string& word : unit->service->commands.front().argv) asked += " " + word;
    auto caller =
        call.context.requests.open(call, {std::move(asked), Shape::unit, {unit->name}}, options);
    if (!caller) return;
    call.context.backend.submit(core::RunRequest{std::move(*caller), std::move(unit)});
}

void forget(Call& call) {
    unit_request<core::ForgetRequest>(call, "Forget", "forget");
}

void reset_failed(Call& call) {
    const std::string name = read_text(call.message);
    Dictionary options{call.message, "options"};
    const std::string asked = "ResetFailed " + name;
    if (call.context.requests.asked_before(call, asked, options)) return;
    std::string unit;
    if (name.empty()) {
        check_controls_manager(call, "reset all units");
    } else {
        unit = controlled_unit(call, name, "reset");
    }
    auto caller = call.context.requests.open(call, {asked, Shape::nothing, {unit}}, options);
    if (!caller) return;
    call.context.backend.submit(core::ResetFailedRequest{std::move(*caller), unit});
}

void set_event(Call& call) {
    event_request(call, "SetEvent", Shape::nothing, true);
}
void clear_event(Call& call) {
    event_request(call, "ClearEvent", Shape::names, false);
}

void wait_event(Call& call) {
    const std::string name = read_text(call.message);
    Dictionary options{call.message, "options"};
    check_event_name(name);
    auto caller =
        call.context.requests.open(call, {"WaitEvent " + name, Shape::nothing, {name}}, options);
    if (!caller) return;
    call.context.backend.submit(core::WaitEventRequest{std::move(*caller), name});
}

}  // namespace reeve::bus::manager
