#include "tests/core/support/sim_text.hpp"

#include <sstream>

namespace reeve::sim {

using namespace core;

namespace {

template <class E>
auto number(E value) {
    return static_cast<std::uint64_t>(value);
}

std::string status(const ExitStatus& s) {
    if (s.unknown) return "unknown";
    std::string text =
        s.signal ? "signal " + std::to_string(s.signal) : "code " + std::to_string(s.code);
    return s.core_dumped ? text + " core" : text;
}

// Writes one variant alternative; the overloads are the whole vocabulary.
class Line {
public:
    explicit Line(const NameOf& name) : name_{name} {}
    std::string take() { return out_.str(); }

    void operator()(const StartRequest& e) { asked("start", e.caller, e.unit); }
    void operator()(const StopRequest& e) { asked("stop", e.caller, e.unit); }
    void operator()(const RestartRequest& e) {
        asked(e.only_if_running ? "try-restart" : "restart", e.caller, e.unit);
    }
    void operator()(const ReloadRequest& e) { asked("reload", e.caller, e.unit); }
    void operator()(const IsolateRequest& e) { asked("isolate", e.caller, e.unit); }
    void operator()(const KillRequest& e) {
        asked("kill", e.caller, e.unit);
        out_ << " signal " << e.signal << (e.all ? " all" : "");
    }
    void operator()(const WaitRequest& e) {
        std::string names;
        for (const auto& unit : e.units) names += (names.empty() ? "" : " ") + unit;
        asked("wait", e.caller, names);
    }
    void operator()(const ResetFailedRequest& e) { asked("reset-failed", e.caller, e.unit); }
    void operator()(const ForgetRequest& e) { asked("forget", e.caller, e.unit); }
    void operator()(const EventRequest& e) {
        asked(e.set ? "event set" : "event clear", e.caller, e.name);
    }
    void operator()(const WaitEventRequest& e) { asked("event wait", e.caller, e.name); }
    void operator()(const ShutdownRequest& e) {
        asked("shutdown", e.caller,
              e.haste == ShutdownRequest::Haste::orderly ? "orderly"
              : e.haste == ShutdownRequest::Haste::now   ? "now"
                                                         : "force");
    }
    void operator()(const RunRequest& e) { asked("run", e.caller, e.unit->name); }
    void operator()(const CancelRequest& e) { out_ << "cancel #" << number(e.id); }
    void operator()(const ApplySet& e) {
        out_ << "apply " << e.units.size() << " units";
        for (const auto& unit : e.masked) out_ << ", masked " << unit;
        for (const auto& unit : e.restart) out_ << ", restart " << unit;
    }
    void operator()(const AddUnit& e) { out_ << "add " << e.unit->name; }

    void operator()(const Spawned& e) { news("spawned", e.process); }
    void operator()(const SpawnFailed& e) {
        news("spawn failed", e.process);
        out_ << ' ' << e.stage << ' ' << e.error;
    }
    void operator()(const Exited& e) {
        news("exited", e.process);
        out_ << ' ' << status(e.status) << (e.oom ? " oom" : "");
    }
    void operator()(const Emptied& e) { news("emptied", e.unit, e.run); }
    void operator()(const MainFound& e) { news("main found", e.unit, e.run); }
    void operator()(const MainMissing& e) { news("main missing", e.unit, e.run); }
    void operator()(const MainExited& e) {
        news("main exited", e.unit, e.run);
        out_ << ' ' << status(e.status);
    }
    void operator()(const Notified& e) {
        news("notified", e.unit, e.run);
        out_ << (e.ready ? " ready" : "") << (e.reloading ? " reloading" : "")
             << (e.stopping ? " stopping" : "") << (e.watchdog ? " alive" : "")
             << (e.watchdog_trigger ? " trigger" : "");
        if (e.extend.count()) out_ << " extend " << e.extend.count();
    }
    void operator()(const PathChanged& e) {
        out_ << "path " << e.path << (e.exists ? " is there" : " is not there");
    }
    void operator()(const DeviceChanged& e) {
        out_ << "device " << e.device << (e.ready ? " ready" : " gone");
    }
    void operator()(const PredicatesTested& e) {
        about("tested", e.unit);
        for (const auto& path : e.existing_paths) out_ << ' ' << path;
    }
    void operator()(const LeasesGranted& e) { about("granted", e.unit); }
    void operator()(const LeasesRefused& e) {
        about("refused", e.unit);
        out_ << ": " << e.why;
    }
    void operator()(const Hindered& e) {
        about("hindered", e.unit);
        out_ << ": " << e.why;
    }
    void operator()(const Found& e) {
        out_ << "found";
        for (const auto& each : e.running) news("", each.unit, each.run);
        out_ << ", asked " << e.asked;
    }
    void operator()(const TimePassed&) { out_ << "time passed"; }

    void operator()(const Spawn& a) {
        news("spawn", a.process);
        out_ << ' ' << units::to_string(a.phase) << '[' << a.index << ']';
    }
    void operator()(const SendSignal& a) {
        news("signal", a.unit, a.run);
        out_ << ' ' << a.signal << " whom " << static_cast<int>(a.whom);
    }
    void operator()(const KillAll& a) {
        news("kill all", a.unit, a.run);
        out_ << (a.main_only ? " main only" : "");
    }
    void operator()(const BeginRun& a) { news("begin run", a.unit, a.run); }
    void operator()(const FindMain& a) { news("find main", a.unit, a.run); }
    void operator()(const EndRun& a) { news("end run", a.unit, a.run); }
    void operator()(const WatchGate& a) { about("watch gate", a.unit); }
    void operator()(const UnwatchGate& a) { about("unwatch gate", a.unit); }
    void operator()(const TestPredicates& a) { about("test predicates", a.unit); }
    void operator()(const AskLeases& a) { about("ask leases", a.unit); }
    void operator()(const ReturnLeases& a) { about("return leases", a.unit); }
    void operator()(const Report& a) {
        out_ << name_(a.unit) << ": " << to_string(a.from) << " -> " << to_string(a.to) << " run "
             << number(a.run) << " (" << a.reason << ')';
    }
    void operator()(const EventReport& a) {
        out_ << "event " << a.name << (a.set ? " set" : " clear");
    }
    void operator()(const Answer& a) {
        static constexpr const char* verdicts[] = {
            "done", "failed", "masked", "unknown", "refused", "still waiting", "cancelled"};
        out_ << "answer #" << number(a.id) << ' ' << verdicts[static_cast<int>(a.verdict)] << ' '
             << name_(a.unit) << ' ' << to_string(a.state) << ": " << a.text;
    }
    void operator()(const Escalate& a) {
        about(a.what == Escalate::What::stop ? "escalate stop" : "escalate reboot", a.unit);
    }
    void operator()(const ShutdownComplete& a) {
        out_ << "shutdown complete" << (a.in_time ? "" : ", not in time");
    }
    void operator()(const Removed& a) { about("removed", a.unit); }

private:
    void asked(std::string_view verb, const Caller& caller, std::string_view what) {
        out_ << '#' << number(caller.id) << ' ' << verb << ' ' << what;
        if (caller.deadline != TimePoint::max()) out_ << " until " << to_text(caller.deadline);
    }
    void news(std::string_view what, const ProcessRef& ref) {
        news(what, ref.unit, ref.run);
        out_ << '.' << ref.step;
    }
    void news(std::string_view what, UnitId unit, RunId run) {
        out_ << name_(unit) << ": " << what << ' ' << number(run);
    }
    void about(std::string_view what, UnitId unit) { out_ << name_(unit) << ": " << what; }

    const NameOf& name_;
    std::ostringstream out_;
};

}  // namespace

std::string to_text(const Event& event, const NameOf& name) {
    Line line{name};
    std::visit(line, event);
    return line.take();
}

std::string to_text(const Action& action, const NameOf& name) {
    Line line{name};
    std::visit(line, action);
    return line.take();
}

std::string to_text(TimePoint time) {
    const auto micros = time.time_since_epoch().count();
    std::ostringstream out;
    out << micros / 1'000'000 << '.' << std::to_string(1'000'000 + micros % 1'000'000).substr(1)
        << 's';
    return out.str();
}

}  // namespace reeve::sim
