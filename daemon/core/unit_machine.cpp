#include "daemon/core/unit_machine.hpp"

#include <algorithm>
#include <utility>

#include "daemon/core/ending.hpp"

namespace reeve::core {

namespace {

constexpr Duration least_backoff_of_a_loss = std::chrono::milliseconds{100};
constexpr int sig_abrt = 6;
constexpr int sig_kill = 9;

const units::Service& service_of(const Turn& turn) {
    static const units::Service none{};
    return turn.unit.service ? *turn.unit.service : none;
}

bool main_alone_decides(units::KillMode mode) noexcept {
    switch (mode) {
        case units::KillMode::process:
        case units::KillMode::none: return true;
        case units::KillMode::control_group:
        case units::KillMode::mixed: return false;
    }
    return false;
}

std::size_t count(const units::Service& service, units::Phase phase) {
    return static_cast<std::size_t>(
        std::ranges::count(service.commands, phase, &units::Command::phase));
}

}  // namespace

TimePoint later(TimePoint from, Duration by) noexcept {
    return by == units::infinity || by > never - from ? never : from + by;
}

// ── told by the engine ─────────────────────────────────────────────────────────────────────────

void UnitMachine::wait(std::string reason, Turn turn) {
    switch (state_) {
        case State::down:
        case State::backoff:
            enter(State::waiting, later(turn.now, turn.wait_timeout), std::move(reason), turn);
            break;
        case State::waiting:
        case State::starting:
        case State::up:
        case State::reloading:
        case State::stopping:
        case State::killing:
        case State::done:
        case State::failed: break;
    }
}

void UnitMachine::wait_anew(Turn turn) {
    if (state_ == State::waiting)
        enter(State::waiting, later(turn.now, turn.wait_timeout), "", turn);
}

void UnitMachine::come_down(std::string reason, Turn turn) {
    switch (state_) {
        case State::waiting:
        case State::backoff:
        case State::done:
        case State::failed: enter(State::down, never, std::move(reason), turn); break;
        case State::down:
        case State::starting:
        case State::up:
        case State::reloading:
        case State::stopping:
        case State::killing: break;
    }
}

void UnitMachine::settle(Result result, std::string reason, Turn turn) {
    switch (state_) {
        case State::down:
        case State::waiting:
        case State::backoff: {
            result_ = result;
            detail_ = reason;  // how the last process ended stays known
            const State rest = result == Result::skipped ? State::done : State::failed;
            enter(rest, never, std::move(reason), turn);
            break;
        }
        case State::starting:
        case State::up:
        case State::reloading:
        case State::stopping:
        case State::killing:
        case State::done:
        case State::failed: break;
    }
}

void UnitMachine::forget_run(RunId next) noexcept {
    run_ = next;
    ++starts_;
    told_ = Going::no;
    result_ = Result::none;
    clean_ = main_alive_ = found_ = found_alive_ = command_alive_ = killed_ = false;
    announced_reload_ = reload_again_ = reload_failed_ = false;
    step_ = index_ = errno_ = 0;
    exit_ = {};
    detail_.clear();
    up_since_ = never;
}

void UnitMachine::begin(RunId run, std::string reason, Turn turn) {
    if (is_running(state_) || is_at_rest(state_)) return;
    forget_run(run);
    const units::Service& service = service_of(turn);
    if (const auto starts = service.limit->starts; starts > 0) {
        recent_.push_back(turn.now);
        if (recent_.size() > starts) recent_.erase(recent_.begin(), recent_.end() - starts);
    }
    if (turn.unit.kind != units::Kind::service) {
        up_since_ = turn.now;
        enter(State::up, never, std::move(reason), turn);
        return;
    }
    doing_ = Doing::start_pre;
    enter(State::starting, later(turn.now, service.start_timeout), std::move(reason), turn);
    turn.out.emplace_back(BeginRun{turn.id, run_});
    if (!spawn_next(units::Phase::start_pre, turn)) start_main(turn);
}

void UnitMachine::found(RunId run, Turn turn) {
    if (state_ != State::down || turn.unit.kind != units::Kind::service) return;
    forget_run(run);
    main_step_ = step_ = 1;
    main_alive_ = main_executed_ = true;
    empty_ = false;
    doing_ = Doing::work;
    up_since_ = turn.now;
    enter(State::up, run_deadline(turn), "found running", turn);
    turn.out.emplace_back(BeginRun{turn.id, run_, true});
    feed_watchdog(turn);
}

void UnitMachine::go(Going why, std::string reason, Turn turn) {
    switch (state_) {
        case State::starting:
        case State::up:
        case State::reloading: {
            told_ = why;
            if (turn.unit.kind != units::Kind::service) {
                detail_ = std::move(reason);
                return finish(turn);
            }
            if (state_ == State::starting) return terminate(std::move(reason), turn);
            return stop_orderly(std::move(reason), turn);
        }
        case State::down:
        case State::waiting:
        case State::stopping:
        case State::killing:
        case State::backoff:
        case State::done:
        case State::failed: break;
    }
}

void UnitMachine::reload(Turn turn) {
    if (state_ == State::reloading) {
        reload_again_ = true;
    } else if (state_ == State::up) {
        begin_reload(turn);
    }
}

void UnitMachine::begin_reload(Turn turn) {
    reload_again_ = reload_failed_ = false;
    doing_ = Doing::reload;
    index_ = 0;
    enter(State::reloading, later(turn.now, service_of(turn).start_timeout), "reload", turn);
    if (!spawn_next(units::Phase::reload, turn)) reload_ended(turn);
}

void UnitMachine::forget_counters() noexcept {
    failures_ = 0;
    recent_.clear();
}

void UnitMachine::forget_failure() noexcept {
    forget_counters();
    result_ = Result::none;
    detail_.clear();
}

bool UnitMachine::over_limit(const units::Limit& limit, TimePoint now) const noexcept {
    return limit.starts > 0 && recent_.size() >= limit.starts &&
           now - recent_[recent_.size() - limit.starts] < limit.within;
}

bool UnitMachine::has_process() const noexcept {
    return is_running(state_) && (has_main() || command_alive_ || !empty_);
}

std::string_view UnitMachine::doing() const noexcept {
    switch (doing_) {
        case Doing::nothing: return "";
        case Doing::start_pre: return "start-pre";
        case Doing::main: return "main process";
        case Doing::find_main: return "main process to be found";
        case Doing::start_post: return "start-post";
        case Doing::work: return "";
        case Doing::reload: return "reload";
        case Doing::stop_commands: return "stop";
        case Doing::ending_alone: return "main process to end";
        case Doing::terminating: return "processes to end";
        case Doing::stop_post: return "stop-post";
        case Doing::leaving: return "processes of stop-post to end";
    }
    return "";
}

// ── from the start to up ───────────────────────────────────────────────────────────────────────

// The only place that changes state_ and deadline_, so that the two cannot disagree.
void UnitMachine::enter(State next, TimePoint deadline, std::string reason, Turn turn) {
    const State from = std::exchange(state_, next);
    deadline_ = deadline;
    if (from == next) return;
    since_ = turn.now;
    idle_over_ = false;
    const bool watched = next == State::up || next == State::reloading;
    if (!watched) second_ = never;
    turn.out.emplace_back(Report{turn.id, from, next, run_, std::move(reason)});
}

void UnitMachine::spawn(units::Phase phase, Turn turn) {
    ++step_;
    empty_ = false;
    if (phase == units::Phase::main) {
        main_alive_ = true;
        main_executed_ = false;
        main_step_ = step_;
    } else {
        command_alive_ = true;
        command_executed_ = false;
        command_step_ = step_;
        command_phase_ = phase;
    }
    turn.out.emplace_back(Spawn{{turn.id, run_, step_}, phase, index_});
}

bool UnitMachine::spawn_next(units::Phase phase, Turn turn) {
    if (index_ >= count(service_of(turn), phase)) return false;
    spawn(phase, turn);
    return true;
}

void UnitMachine::start_main(Turn turn) {
    doing_ = Doing::main;
    index_ = 0;
    if (!spawn_next(units::Phase::main, turn)) main_ready(turn);
}

void UnitMachine::main_ready(Turn turn) {
    doing_ = Doing::start_post;
    index_ = 0;
    if (!spawn_next(units::Phase::start_post, turn)) reached(turn);
}

void UnitMachine::reached(Turn turn) {
    const units::Service& service = service_of(turn);
    if (service.type == units::Type::oneshot && !service.remain_after_exit) {
        judge({Result::success, true, true, "finished"});
        return stop_orderly("finished", turn);
    }
    doing_ = Doing::work;
    up_since_ = turn.now;
    enter(State::up, run_deadline(turn), "", turn);
    feed_watchdog(turn);
}

TimePoint UnitMachine::run_deadline(Turn turn) const noexcept {
    return later(up_since_, service_of(turn).run_timeout);
}

void UnitMachine::feed_watchdog(Turn turn) {
    const Duration limit = service_of(turn).watchdog;
    if (limit > Duration::zero()) second_ = later(turn.now, limit);
}

// ── from up to gone ────────────────────────────────────────────────────────────────────────────

// The first verdict on a run stays.
void UnitMachine::judge(End end) {
    if (result_ != Result::none) return;
    result_ = end.result;
    clean_ = end.clean;
    detail_ = std::move(end.detail);
}

// As systemd does: stop commands run when the service had been up and did not fail.
void UnitMachine::ended_by_itself(Turn turn) {
    const bool was_up = state_ == State::up || state_ == State::reloading;
    if (clean_ && was_up) return stop_orderly(detail_, turn);
    terminate(detail_, turn);
}

void UnitMachine::stop_orderly(std::string reason, Turn turn) {
    const units::Service& service = service_of(turn);
    if (count(service, units::Phase::stop) == 0) return terminate(std::move(reason), turn);
    doing_ = Doing::stop_commands;
    index_ = 0;
    enter(State::stopping, later(turn.now, service.stop_timeout), std::move(reason), turn);
    if (command_alive_) {  // a reload or start-post under way; the first stop command follows it
        turn.out.emplace_back(SendSignal{turn.id, run_, SendSignal::Whom::control, sig_kill});
    } else {
        spawn_next(units::Phase::stop, turn);
    }
}

void UnitMachine::terminate(std::string reason, Turn turn) {
    using Whom = SendSignal::Whom;
    doing_ = Doing::terminating;
    if (gone(turn)) return after_gone(turn);
    const units::Service& service = service_of(turn);
    const auto tell = [&](Whom whom, int signal) {
        turn.out.emplace_back(SendSignal{turn.id, run_, whom, signal});
    };
    enter(State::stopping, later(turn.now, service.stop_timeout), std::move(reason), turn);
    switch (service.kill_mode) {
        case units::KillMode::control_group: tell(Whom::all, service.kill_signal); break;
        case units::KillMode::mixed:
            if (!has_main()) return kill(turn);
            tell(Whom::main, service.kill_signal);
            break;
        case units::KillMode::process:
            if (has_main()) tell(Whom::main, service.kill_signal);
            break;
        case units::KillMode::none: break;
    }
    if (command_alive_ && service.kill_mode != units::KillMode::control_group)
        tell(Whom::control, sig_kill);
}

void UnitMachine::kill(Turn turn) {
    const bool main_only = main_alone_decides(service_of(turn).kill_mode);
    if (doing_ == Doing::stop_commands || doing_ == Doing::ending_alone)
        doing_ = Doing::terminating;
    enter(State::killing, never, "", turn);
    turn.out.emplace_back(KillAll{turn.id, run_, main_only});
    if (main_only && command_alive_)
        turn.out.emplace_back(SendSignal{turn.id, run_, SendSignal::Whom::control, sig_kill});
}

// The process exists only now: what was said to the unit before did not reach it.
void UnitMachine::told_too_early(bool main, Turn turn) {
    using Whom = SendSignal::Whom;
    const units::Service& service = service_of(turn);
    const Whom whom = main ? Whom::main : Whom::control;
    const bool cut_short =
        !main && ((doing_ == Doing::stop_commands && command_phase_ != units::Phase::stop) ||
                  (doing_ == Doing::reload && reload_failed_));
    if (state_ == State::killing && deadline_ == never) {
        if (main_alone_decides(service.kill_mode)) {
            turn.out.emplace_back(SendSignal{turn.id, run_, whom, sig_kill});
        } else {  // it may have children by now
            turn.out.emplace_back(KillAll{turn.id, run_, false});
        }
    } else if (doing_ == Doing::terminating && service.kill_mode != units::KillMode::none && main) {
        turn.out.emplace_back(SendSignal{turn.id, run_, whom, service.kill_signal});
    } else if (doing_ == Doing::terminating && !main) {
        const bool mild = service.kill_mode == units::KillMode::control_group;
        turn.out.emplace_back(
            SendSignal{turn.id, run_, whom, mild ? service.kill_signal : sig_kill});
    } else if (cut_short) {
        turn.out.emplace_back(SendSignal{turn.id, run_, whom, sig_kill});
    }
}

void UnitMachine::missed_watchdog(Turn turn) {
    judge({Result::watchdog, false, true, "watchdog missed"});
    doing_ = Doing::ending_alone;
    enter(State::stopping, later(turn.now, service_of(turn).stop_timeout), detail_, turn);
    turn.out.emplace_back(SendSignal{turn.id, run_, SendSignal::Whom::main, sig_abrt});
}

bool UnitMachine::gone(Turn turn) const noexcept {
    return !has_main() && !command_alive_ &&
           (empty_ || main_alone_decides(service_of(turn).kill_mode));
}

void UnitMachine::look_whether_gone(Turn turn) {
    switch (doing_) {
        case Doing::ending_alone:
            if (!has_main()) terminate(detail_, turn);
            break;
        case Doing::terminating:
            if (gone(turn)) {
                after_gone(turn);
            } else if (service_of(turn).kill_mode == units::KillMode::mixed && !has_main() &&
                       state_ == State::stopping) {
                kill(turn);  // mixed: the main process had its chance, the rest gets none
            }
            break;
        case Doing::leaving:
            if (gone(turn)) finish(turn);
            break;
        case Doing::nothing:
        case Doing::start_pre:
        case Doing::main:
        case Doing::find_main:
        case Doing::start_post:
        case Doing::work:
        case Doing::reload:
        case Doing::stop_commands:
        case Doing::stop_post: break;
    }
}

void UnitMachine::after_gone(Turn turn) {
    const units::Service& service = service_of(turn);
    if (count(service, units::Phase::stop_post) == 0) return finish(turn);
    doing_ = Doing::stop_post;
    index_ = 0;
    const State stage = state_ == State::killing ? State::killing : State::stopping;
    enter(stage, later(turn.now, service.stop_timeout), detail_, turn);
    spawn_next(units::Phase::stop_post, turn);
}

// Nothing of the run is left, its exit is recorded: what it is now follows from why it ended.
void UnitMachine::finish(Turn turn) {
    doing_ = Doing::nothing;
    if (turn.unit.kind == units::Kind::service) turn.out.emplace_back(EndRun{turn.id, run_});
    const bool decided = told_ == Going::decision || turn.decided;
    if (decided || told_ == Going::loss) {
        if (killed_) {
            result_ = Result::stop_timeout;
            detail_ = "killed after stop-timeout";
        } else {
            judge({Result::success, true, true, ""});
        }
    }
    if (decided) {
        if (!turn.wanted) return enter(State::down, never, detail_, turn);
        std::string reason = detail_.empty() ? "still wanted" : detail_;
        return enter(State::waiting, later(turn.now, turn.wait_timeout), std::move(reason), turn);
    }
    if (told_ == Going::loss) return back_off("lost", least_backoff_of_a_loss, turn);
    switch (after_own_end(service_of(turn), result_, clean_, exit_)) {
        case After::backoff: return back_off(detail_, Duration::zero(), turn);
        case After::done: return enter(State::done, never, detail_, turn);
        case After::failed: return enter(State::failed, never, detail_, turn);
    }
}

void UnitMachine::back_off(std::string reason, Duration at_least, Turn turn) {
    const units::Backoff& backoff = *service_of(turn).backoff;
    if (up_since_ != never && turn.now - up_since_ >= backoff.reset_after) failures_ = 0;
    ++failures_;
    const Duration delay = std::max(at_least, backoff_delay(backoff, failures_));
    enter(State::backoff, later(turn.now, delay), std::move(reason), turn);
}

}  // namespace reeve::core
