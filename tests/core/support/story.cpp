#include "tests/core/support/story.hpp"

#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/core/support/units.hpp"

namespace reeve::core::testing {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::string word(std::istream& in) {
    std::string text;
    in >> text;
    return text;
}

std::string_view to_string(Answer::Verdict verdict) {
    switch (verdict) {
        case Answer::Verdict::done: return "done";
        case Answer::Verdict::failed: return "failed";
        case Answer::Verdict::masked: return "masked";
        case Answer::Verdict::unknown_unit: return "unknown unit";
        case Answer::Verdict::refused: return "refused";
        case Answer::Verdict::still_waiting: return "still waiting";
        case Answer::Verdict::cancelled: return "cancelled";
    }
    return "?";
}

std::string_view to_string(SendSignal::Whom whom) {
    switch (whom) {
        case SendSignal::Whom::main: return "main";
        case SendSignal::Whom::control: return "command";
        case SendSignal::Whom::all: return "all";
    }
    return "?";
}

}  // namespace

std::string Story::run(const std::string& line) {
    std::istringstream in{line};
    const std::string verb = word(in);
    if (verb == "service" || verb == "target" || verb == "device") return define(line);
    std::string text;
    if (!applied_) text = apply();
    if (verb == "apply") return text + apply();
    if (verb == "advance") return text + advance(duration(word(in)));
    for (auto step : {&Story::ask, &Story::show, &Story::happen}) {
        const std::string more = (this->*step)(verb, in);
        if (!more.empty()) return text + (more == "\n" ? "" : more);
    }
    throw std::invalid_argument{"unknown command: " + line};
}

std::string Story::feed(const Event& event) {
    for (const UnitId unit : engine.all()) names_[unit] = engine.name(unit);
    const std::vector<Action> actions = engine.handle(event, now);
    if (save_and_load) engine = Engine::load({}, engine.definitions(), engine.save());
    const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
    std::string text;
    for (const Action& action : actions)
        text += std::to_string(at.count()) + "ms " + text_of(action) + "\n";
    return text;
}

std::string Story::define(const std::string& line) {
    units::UnitPtr unit = make_unit(line);
    definitions_[unit->name] = unit;
    return "";
}

std::string Story::apply() {
    applied_ = true;
    ApplySet set;
    for (const auto& [unit, definition] : definitions_)
        if (!masked_.contains(unit)) set.units.push_back(definition);
    set.masked.assign(masked_.begin(), masked_.end());
    set.restart = std::exchange(restart_, {});
    return feed(set);
}

// Requests. "\n": nothing happened; "": not a request.
std::string Story::ask(const std::string& verb, std::istream& in) {
    Caller caller;
    const auto request = [&] {
        caller.id = RequestId{++requests_};
        caller.by = "op";
    };
    const auto limit = [&] {
        const std::string text = word(in);
        if (!text.empty()) caller.deadline = now + duration(text);
    };
    const auto with_unit = [&](auto made) {
        made.unit = word(in);
        request();
        limit();
        made.caller = caller;
        return feed(made) + "\n";
    };
    std::string text;
    if (verb == "start") text = with_unit(StartRequest{});
    if (verb == "stop") text = with_unit(StopRequest{});
    if (verb == "restart") text = with_unit(RestartRequest{});
    if (verb == "try-restart") text = with_unit(RestartRequest{{}, {}, true});
    if (verb == "reload") text = with_unit(ReloadRequest{});
    if (verb == "isolate") text = with_unit(IsolateRequest{});
    if (verb == "reset-failed") text = with_unit(ResetFailedRequest{});
    if (verb == "forget") text = with_unit(ForgetRequest{});
    if (verb == "terminate" || verb == "kill") {
        KillRequest kill{{}, {}, verb == "kill" ? 9 : 15, false};
        text = with_unit(kill);
    }
    if (verb == "wait") {
        WaitRequest wait;
        for (std::string unit; in >> unit;) wait.units.push_back(unit);
        request();
        wait.caller = caller;
        text = feed(wait) + "\n";
    }
    if (verb == "cancel") text = feed(CancelRequest{RequestId{std::stoull(word(in))}}) + "\n";
    if (verb == "run") {
        std::string rest;
        std::getline(in, rest);
        request();
        const units::UnitPtr unit = make_unit("service" + rest + " transient");
        text = feed(RunRequest{caller, unit}) + "\n";
    }
    if (verb == "event") {
        const std::string what = word(in);
        const std::string event = word(in);
        request();
        if (what == "wait") limit();
        text = (what == "wait" ? feed(WaitEventRequest{caller, event})
                               : feed(EventRequest{caller, event, what == "set"})) +
               "\n";
    }
    if (verb == "shutdown") {
        const std::string haste = word(in);
        request();
        using Haste = ShutdownRequest::Haste;
        text = feed(ShutdownRequest{caller, haste == "now"     ? Haste::now
                                            : haste == "force" ? Haste::force
                                                               : Haste::orderly}) +
               "\n";
    }
    if (text.size() > 1 && text.ends_with("\n")) text.pop_back();
    return text;
}

Story::Process Story::take(const std::string& unit, const std::string& which) {
    auto& list = alive_[unit];
    for (auto it = list.rbegin(); it != list.rend(); ++it) {
        if (which == "main" && it->phase != units::Phase::main) continue;
        if (which == "command" && it->phase == units::Phase::main) continue;
        const Process found = *it;
        list.erase(std::next(it).base());
        return found;
    }
    throw std::invalid_argument{"no process of " + unit};
}

// What happens to processes. "\n": nothing came of it; "": another kind of command.
std::string Story::happen(const std::string& verb, std::istream& in) {
    const std::string unit = verb == "mask" || verb == "unmask" ? "" : word(in);
    const auto run_of = [&] { return engine.view(id(unit)).run; };
    std::string text;
    if (verb == "exec") {
        text = feed(Spawned{alive_.at(unit).back().ref});
    } else if (verb == "exit") {  // exit UNIT [main|command] CODE|signal N [leaving]
        std::string status = word(in);
        const bool named = status == "main" || status == "command";
        const Process process = take(unit, named ? status : "");
        if (named) status = word(in);
        Exited news{process.ref, {}, false, true};
        if (status == "signal") {
            in >> news.status.signal;
        } else {
            news.status.code = std::stoi(status);
        }
        for (std::string more; in >> more;) {
            news.empty = news.empty && more != "leaving";
            news.oom |= more == "oom";
        }
        last_exit_[unit] = news;
        text = feed(news);
    } else if (verb == "no-exec") {
        text = feed(SpawnFailed{take(unit, "").ref, "exec", 2, true});
    } else if (verb == "again") {  // the last exit once more: old news
        text = feed(last_exit_.at(unit));
    } else if (verb == "empty") {
        text = feed(Emptied{id(unit), run_of()});
    } else if (verb == "main-found") {
        text = feed(MainFound{id(unit), run_of()});
    } else if (verb == "main-missing") {
        text = feed(MainMissing{id(unit), run_of(), word(in)});
    } else if (verb == "main-exit") {
        MainExited news{id(unit), run_of(), {}, false, true};
        in >> news.status.code;
        news.empty = word(in) != "leaving";
        text = feed(news);
    } else if (verb ==
               "notify") {  // notify UNIT ready|reloading|stopping|watchdog|trigger|extend T
        Notified news{id(unit), run_of()};
        for (std::string what; in >> what;) {
            news.ready |= what == "ready";
            news.reloading |= what == "reloading";
            news.stopping |= what == "stopping";
            news.watchdog |= what == "watchdog";
            news.watchdog_trigger |= what == "trigger";
            if (what == "extend") news.extend = duration(word(in));
            if (what == "errno") in >> news.error;
            if (what == "old") news.run = RunId{static_cast<std::uint64_t>(news.run) - 1};
        }
        text = feed(news);
    } else if (verb == "found") {  // found UNIT RUN, with the others in the same line; asked UNIT
        Found news{{}, {}, "boot"};
        for (std::string found = unit; !found.empty(); found = word(in)) {
            if (found == "asked") {
                in >> news.asked;
            } else {
                news.running.push_back({id(found), RunId{std::stoull(word(in))}});
            }
        }
        text = feed(news);
    } else if (verb == "path") {
        text = feed(PathChanged{unit, word(in) == "there"});
    } else if (verb == "ready") {
        text = feed(DeviceChanged{unit, true});
    } else if (verb == "unready") {
        text = feed(DeviceChanged{unit, false});
    } else if (verb == "tested") {
        PredicatesTested news{id(unit), {}};
        for (std::string path; in >> path;) news.existing_paths.push_back(path);
        text = feed(news);
    } else if (verb == "granted") {
        text = feed(LeasesGranted{id(unit)});
    } else if (verb == "refused") {
        text = feed(LeasesRefused{id(unit), "no such device"});
    } else if (verb == "hinder") {
        std::string why;
        std::getline(in >> std::ws, why);
        text = feed(Hindered{id(unit), why});
    } else {
        return "";
    }
    return text.empty() ? "\n" : text;
}

std::string Story::show(const std::string& verb, std::istream& in) {
    std::string text;
    if (verb == "mask") {
        masked_.insert(word(in));
        return "\n";
    }
    if (verb == "unmask") {
        masked_.erase(word(in));
        return "\n";
    }
    if (verb == "why") {
        for (const Reason& reason : engine.why(id(word(in)), now))
            text += reason.kind + ": " + reason.what + "\n";
        return text.empty() ? "\n" : text;
    }
    if (verb == "view") {
        const UnitView view = engine.view(id(word(in)));
        text = std::string{core::to_string(view.state)} + ", result " +
               std::string{core::to_string(view.result)} + ", asked " +
               std::string{core::to_string(view.asked)};
        if (!view.detail.empty()) text += ", " + view.detail;
        return text + (view.stale ? ", stale\n" : "\n");
    }
    if (verb == "remove") {
        definitions_.erase(word(in));
        return "\n";
    }
    if (verb == "restart-on-apply") {
        restart_.push_back(word(in));
        return "\n";
    }
    return text;
}

std::string Story::advance(Duration by) {
    const TimePoint end = now + by;
    std::string text;
    while (engine.next_deadline() && *engine.next_deadline() <= end) {
        now = std::max(now, *engine.next_deadline());
        text += feed(TimePassed{});
    }
    now = end;
    return text;
}

std::string Story::text_of(const Action& action) {
    std::ostringstream text;
    std::visit(
        Overloaded{
            [&](const Spawn& a) {
                alive_[name(a.process.unit)].push_back({a.process, a.phase});
                text << name(a.process.unit) << ": spawn " << units::to_string(a.phase);
                if (a.index > 0) text << ' ' << a.index;
            },
            [&](const SendSignal& a) {
                text << name(a.unit) << ": signal " << a.signal << " to " << to_string(a.whom);
            },
            [&](const KillAll& a) {
                text << name(a.unit) << ": kill " << (a.main_only ? "main" : "all");
            },
            [&](const BeginRun& a) {
                text << name(a.unit) << ": run " << static_cast<std::uint64_t>(a.run)
                     << (a.found ? " is taken over" : " begins");
                if (a.found)
                    alive_[name(a.unit)].push_back({{a.unit, a.run, 1}, units::Phase::main});
            },
            [&](const FindMain& a) { text << name(a.unit) << ": find main"; },
            [&](const EndRun& a) {
                alive_.erase(name(a.unit));
                text << name(a.unit) << ": run " << static_cast<std::uint64_t>(a.run) << " ends";
            },
            [&](const WatchGate& a) { text << name(a.unit) << ": watch gate"; },
            [&](const UnwatchGate& a) { text << name(a.unit) << ": unwatch gate"; },
            [&](const TestPredicates& a) { text << name(a.unit) << ": test predicates"; },
            [&](const AskLeases& a) { text << name(a.unit) << ": ask leases"; },
            [&](const ReturnLeases& a) { text << name(a.unit) << ": return leases"; },
            [&](const Report& a) {
                text << name(a.unit) << ": " << core::to_string(a.from) << " -> "
                     << core::to_string(a.to);
                if (!a.reason.empty()) text << " (" << a.reason << ')';
            },
            [&](const EventReport& a) {
                text << "event " << a.name << (a.set ? " set" : " clear");
            },
            [&](const Answer& a) {
                text << "answer " << static_cast<std::uint64_t>(a.id) << ": "
                     << to_string(a.verdict);
                if (a.unit != UnitId{})
                    text << ", " << name(a.unit) << ' ' << core::to_string(a.state);
                if (!a.text.empty()) text << " (" << a.text << ')';
            },
            [&](const Escalate& a) {
                text << name(a.unit) << ": escalate "
                     << (a.what == Escalate::What::stop ? "stop" : "reboot");
            },
            [&](const ShutdownComplete& a) {
                text << "shutdown complete" << (a.in_time ? "" : ", not in time");
            },
            [&](const Removed& a) { text << name(a.unit) << ": removed"; },
        },
        action);
    return text.str();
}

UnitId Story::id(const std::string& unit) const {
    const auto found = engine.find(unit);
    if (!found) throw std::invalid_argument{"no unit " + unit};
    return *found;
}

std::string Story::name(UnitId unit) const {
    const std::string_view known = engine.name(unit);
    return known.empty() ? names_.at(unit) : std::string{known};
}

}  // namespace reeve::core::testing
