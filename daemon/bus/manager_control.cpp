// What the runner does itself: unit files, logs, figures, the end.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "daemon/bus/append.hpp"
#include "daemon/bus/dictionary.hpp"
#include "daemon/bus/manager_methods.hpp"
#include "daemon/bus/refusal.hpp"
#include "daemon/bus/requests.hpp"

namespace reeve::bus::manager {

namespace {

[[noreturn]] void deny(const char* what, const char* who) {
    throw Refusal{api::error::access_denied,
                  std::string{"you may not "} + what + "; " + who + " may"};
}

constexpr const char* controllers = "root, the manager's user and group reeve";
constexpr const char* readers = "root, the manager's user and groups reeve and adm";

core::ShutdownRequest::Haste haste_of(const std::string& word) {
    using Haste = core::ShutdownRequest::Haste;
    if (word == "orderly") return Haste::orderly;
    if (word == "now") return Haste::now;
    if (word == "force") return Haste::force;
    throw Refusal{api::error::invalid_argument,
                  "options.haste is orderly, now or force, not \"" + word + "\""};
}

void check_may_read_logs(const Call& call, const std::vector<std::string>& names) {
    const Access& access = call.context.access;
    if (names.empty() && !access.may_read(call.caller)) deny("read all logs", readers);
    const core::Engine& engine = call.context.backend.engine();
    for (const std::string& name : names) {
        const auto unit = engine.find(name);
        if (!unit) {
            throw Refusal{api::error::no_such_unit, unknown_unit_text(call.context.backend, name)};
        }
        if (!access.may_read(call.caller, engine.view(*unit).definition.get())) {
            deny("read its log", "root, the unit's user and groups reeve and adm");
        }
    }
}

}  // namespace

namespace {

ApplyOptions apply_options(Dictionary& options, bool rollback) {
    ApplyOptions out;
    out.rollback = rollback;
    out.restart_changed = options.flag("restart-changed").value_or(false);
    out.restart = options.list("restart").value_or(std::vector<std::string>{});
    return out;
}

// One id is one request, so what it asks for is part of its name.
std::string subject_of(const char* method, const ApplyOptions& options) {
    std::string name = method;
    if (options.restart_changed) name += " restart-changed";
    for (const std::string& unit : options.restart) name.append(" ").append(unit);
    return name;
}

void take_over(Call& call, const char* method, bool rollback) {
    Dictionary options{call.message, "options"};
    ApplyOptions wanted = apply_options(options, rollback);
    if (!call.context.access.may_control(call.caller)) deny("apply unit files", controllers);
    const auto id = call.context.requests.open_own(
        call, {subject_of(method, wanted), Shape::applied, {}}, options);
    if (!id) return;
    wanted.request = *id;
    Context& context = call.context;
    context.backend.apply(wanted, [&context, id = *id, alive = std::weak_ptr{context.alive}](
                                      const ApplyOutcome& outcome) {
        if (alive.expired()) return;
        context.access.reload();
        Outcome answer;
        answer.applied = outcome.applied;
        answer.text = outcome.report;
        context.requests.complete(id, std::move(answer));
    });
}

}  // namespace

void plan(Call& call) {
    Dictionary options{call.message, "options"};
    const bool rollback = options.flag("rollback").value_or(false);
    const ApplyOptions wanted = apply_options(options, rollback);
    options.finish();
    if (!call.context.access.may_read(call.caller)) deny("see what apply would do", readers);
    // The message keeps its connection alive until then.
    const std::shared_ptr<sd_bus_message> message{sd_bus_message_ref(call.message),
                                                  sd_bus_message_unref};
    call.context.backend.plan(wanted, [message](const std::string& json) {
        check_sent(message.get(), sd_bus_reply_method_return(message.get(), "s", json.c_str()));
    });
}

void apply(Call& call) {
    take_over(call, "Apply", false);
}

void rollback(Call& call) {
    take_over(call, "Rollback", true);
}

void logs(Call& call) {
    using Places = std::map<std::string, std::string>;
    LogQuery query;
    query.units = read_list(call.message);
    Dictionary options{call.message, "options"};
    query.lines = static_cast<unsigned>(options.number("lines").value_or(0));
    query.run = options.number("run").value_or(0);
    query.follow = options.flag("follow").value_or(false);
    query.since = options.text("since").value_or("");
    for (const auto& [unit, text] : options.table("after").value_or(Places{})) {
        const auto place = api::log_place(text);
        if (!place) throw Refusal{api::error::invalid_argument, "after: \"NUMBER SUM\" is meant"};
        query.after.emplace(unit, *place);
    }
    options.finish();
    check_may_read_logs(call, query.units);
    const posix::Fd log = call.context.backend.logs(query);
    const posix::MessagePtr reply = new_reply(call.message);
    const int appended = sd_bus_message_append(reply.get(), "h", log.get());
    if (appended == -EOPNOTSUPP) {
        throw Refusal{api::error::not_supported,
                      "this connection passes no descriptors; use the private socket"};
    }
    posix::check_sd(appended, "pass on the descriptor of a log");
    call.connection.send(reply.get());
}

void stats(Call& call) {
    const posix::MessagePtr reply = new_reply(call.message);
    append_text(reply.get(), call.context.backend.stats());
    call.connection.send(reply.get());
}

void shutdown(Call& call) {
    const std::string how = read_text(call.message);
    constexpr std::string_view known[] = {"",     "exit",  "poweroff",   "reboot",
                                          "halt", "kexec", "soft-reboot"};
    if (std::ranges::find(known, how) == std::end(known)) {
        throw Refusal{api::error::invalid_argument,
                      "there is no shutdown \"" + how +
                          "\"; use exit, poweroff, reboot, halt, kexec or soft-reboot"};
    }
    Dictionary options{call.message, "options"};
    const std::string haste = options.text("haste").value_or("orderly");
    core::ShutdownRequest request;
    request.haste = haste_of(haste);
    if (!call.context.access.may_control(call.caller)) deny("shut down", controllers);
    const auto id = call.context.requests.open_own(
        call, {"Shutdown " + how + " " + haste, Shape::nothing, {}}, options);
    if (!id) return;
    request.caller.by = "uid " + std::to_string(call.caller.uid);
    Outcome outcome;
    try {
        call.context.backend.shutdown(how, std::move(request));
    } catch (const std::invalid_argument& e) {
        outcome.error = api::error::not_supported;
        outcome.text = e.what();
    }
    call.context.requests.complete(*id, std::move(outcome));
}

void re_exec(Call& call) {
    const std::string binary = read_text(call.message);
    Dictionary options{call.message, "options"};
    if (!call.context.access.may_control(call.caller)) deny("replace the manager", controllers);
    if (!binary.empty() && !binary.starts_with('/')) {
        throw Refusal{api::error::invalid_argument, "binary must be an absolute path, or empty"};
    }
    const auto id =
        call.context.requests.open_own(call, {"ReExec " + binary, Shape::manager, {}}, options);
    if (!id) return;
    Context& context = call.context;
    // Done is answered by the successor.
    context.backend.reexec(
        binary, [&context, id = *id, alive = std::weak_ptr{context.alive}](const std::string& why) {
            if (alive.expired()) return;
            Outcome refused;
            refused.error = api::error::refused;
            refused.text = why;
            context.requests.complete(id, std::move(refused));
        });
}

}  // namespace reeve::bus::manager
