// run: a command as a transient unit, with our environment, folder and umask. In the foreground
// (--wait, --with) it stays until the command has ended and hands on the signals it gets.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/ending.hpp"
#include "ctl/text.hpp"
#include "ctl/transient.hpp"
#include "ctl/unit_info.hpp"

namespace reeve::ctl::commands {

namespace {

volatile std::sig_atomic_t caught = 0;

// While it lives, INT, TERM and HUP are noted, and only looked at while the client sleeps.
class Signals {
public:
    Signals() {
        struct sigaction action {};
        action.sa_handler = [](int signal) { caught = signal; };
        sigset_t all;
        ::sigemptyset(&all);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            ::sigaddset(&all, signal);
            ::sigaction(signal, &action, nullptr);
        }
        ::sigprocmask(SIG_BLOCK, &all, &before_);
    }
    [[nodiscard]] const sigset_t* while_asleep() const noexcept { return &before_; }

private:
    sigset_t before_{};
};

constexpr Duration again_after = std::chrono::milliseconds{500};

// To the command, or if nothing runs yet: it is not to start any more. False when the manager knows
// of no such unit: our request has not reached it yet.
bool hand_on(Context& context, const std::string& unit, int signal) {
    Request kill;
    kill.member = "Kill";
    kill.arguments = {unit, signal_name(signal), "main", request_options(context)};
    context.client().perform(kill);
    if (!kill.failure) return true;
    Request stop;
    stop.member = "Stop";
    stop.arguments = {unit, Argument::dictionary()
                                .set("id", "s", Client::new_id())
                                .set("timeout", "t", std::uint64_t{0})};
    context.client().perform(stop);
    return !stop.failure || stop.failure->code != code::no_such_unit;
}

// Sends the request, shows progress, hands on signals. The last signal handed on; 0: none.
int stay_for(Context& context, Request& request, const std::string& unit, const Signals& signals) {
    int last = 0;
    const Watcher progress = progress_of(context, "running " + unit, {unit});
    const Watcher watcher{std::min(progress.interval, again_after),
                          [&](Duration elapsed) {
                              if (const int signal = caught; signal != 0) {
                                  caught = 0;
                                  last = signal;
                                  if (!hand_on(context, unit, signal)) caught = signal;
                              }
                              if (progress.look) progress.look(elapsed);
                          },
                          signals.while_asleep()};
    context.client().perform(request, watcher);
    context.screen.clear_progress();
    return last;
}

int in_foreground(Context& context, Request request, const std::string& unit) {
    const Signals signals;
    int signal = stay_for(context, request, unit, signals);
    // "Failed" has an ending to tell: it could not be started, or its leases did not come.
    if (request.failure && request.failure->name != "Failed" &&
        request.failure->name != "Cancelled") {
        throw *request.failure;
    }
    Request wait = wait_request({unit}, std::nullopt);
    if (const int later = stay_for(context, wait, unit, signals); later != 0) signal = later;
    if (wait.failure) throw *wait.failure;
    const Ending ending = ending_of(wait.reply.at(0).at(0));

    Request forget;
    forget.member = "Forget";
    forget.arguments = {unit, request_options(context)};
    try {
        context.client().perform(forget);  // when it is not ours to forget, it stays
    } catch (const Failure&) {
        // The manager has ended since, and what it knew with it: how the command ended counts.
    }

    context.print_json(Value{}.set("units", Value::list().add(to_value(ending))));
    int code = exit_code_of(ending);
    if (ending.result == "none" && signal != 0) code = 128 + signal;
    if (code != code::done && !context.quiet()) {
        const bool told = request.failure && request.failure->name == "Failed";
        context.complain(unit + ": " +
                         (code == code::no_lease ? "its leases did not come in time"
                          : told                 ? request.failure->what()
                                                 : to_text(ending)));
    }
    return code;
}

int in_background(Context& context, Request request, const std::string& unit) {
    context.client().perform(request, progress_of(context, "starting " + unit, {unit}));
    context.screen.clear_progress();
    const bool waits = request.failure && request.failure->code == code::timed_out;
    if (request.failure && !waits) throw *request.failure;
    if (!context.quiet()) context.line(unit);
    const std::uint64_t run = request.reply.size() > 2 ? request.reply[2].natural() : 0;
    context.print_json(Value{}.set("unit", unit).set("run", run).set("waits", waits));
    if (!waits) return code::done;
    context.complain(unit + ": " + advised(*request.failure, unit));
    return code::timed_out;
}

}  // namespace

int run(Context& context) {
    const Arguments& arguments = context.arguments;
    const std::string unit = arguments.value(Opt::name).value_or(made_up_name(arguments.words[0]));
    const bool stays =
        (arguments.has(Opt::wait) || arguments.has(Opt::with)) && !arguments.has(Opt::background);
    Request request;
    request.member = "Run";
    Argument options = Argument::dictionary();
    options.set("id", "s", Client::new_id());
    const Duration limit = arguments.duration(Opt::timeout)
                               .value_or(stays ? forever : Duration{std::chrono::seconds{20}});
    options.set("timeout", "t",
                limit == forever ? UINT64_MAX : static_cast<std::uint64_t>(limit.count()));
    request.arguments = {unit, transient_definition(arguments), options};
    request.patience = patience(limit);
    return stays ? in_foreground(context, std::move(request), unit)
                 : in_background(context, std::move(request), unit);
}

}  // namespace reeve::ctl::commands
