// What a unit's processes do, as it reaches its machine. News of an older run, of a process that
// is known to have ended, or told twice changes nothing.
#include <system_error>
#include <utility>

#include "daemon/core/ending.hpp"
#include "daemon/core/unit_machine.hpp"

namespace reeve::core {

namespace {

constexpr int sig_kill = 9;

// The command `index` of the phase; nullptr: the definition has none.
const units::Command* command(const units::Service& service, units::Phase phase,
                              std::size_t index) {
    for (const units::Command& each : service.commands)
        if (each.phase == phase && index-- == 0) return &each;
    return nullptr;
}

bool forgives(const units::Service& service, units::Phase phase, std::size_t index) {
    const units::Command* found = command(service, phase, index);
    return found != nullptr && found->ignore_failure;
}

std::string text_of(const SpawnFailed& news) {
    if (news.error == 0) return news.stage;
    return news.stage + ": " + std::generic_category().message(news.error);
}

}  // namespace

UnitMachine::End UnitMachine::end_of(const ExitStatus& status, bool oom, bool forgiven,
                                     Turn turn) const {
    const bool clean = forgiven || is_clean(*turn.unit.service, status);
    std::string detail = describe(status);
    if (!clean && errno_ != 0) detail += ": " + std::generic_category().message(errno_);
    return {result_of(status, oom, clean), clean, true, std::move(detail)};
}

void UnitMachine::on(const Spawned& news, Turn turn) {
    if (news.process.run != run_) return;
    if (command_alive_ && news.process.step == command_step_) {
        if (!std::exchange(command_executed_, true)) told_too_early(false, turn);
        return;
    }
    if (!main_alive_ || news.process.step != main_step_) return;
    if (std::exchange(main_executed_, true)) return;
    if (state_ != State::starting || doing_ != Doing::main) return told_too_early(true, turn);
    switch (turn.unit.service->type) {
        case units::Type::simple:
        case units::Type::exec:
        case units::Type::idle: main_ready(turn); break;
        case units::Type::notify:
        case units::Type::forking:
        case units::Type::oneshot: break;
    }
}

void UnitMachine::on(const SpawnFailed& news, Turn turn) {
    if (news.process.run != run_) return;
    const units::Service& service = *turn.unit.service;
    if (main_alive_ && news.process.step == main_step_) {
        main_alive_ = false;
        empty_ = news.empty;
        const bool forgiven = forgives(service, units::Phase::main, index_);
        main_ended({Result::spawn_failed, forgiven, false, text_of(news)}, turn);
    } else if (command_alive_ && news.process.step == command_step_) {
        command_alive_ = false;
        empty_ = news.empty;
        const bool forgiven = forgives(service, command_phase_, index_);
        command_ended({Result::spawn_failed, forgiven, false, text_of(news)}, turn);
    }
}

void UnitMachine::on(const Exited& news, Turn turn) {
    if (news.process.run != run_) return;
    const units::Service& service = *turn.unit.service;
    if (main_alive_ && news.process.step == main_step_) {
        main_alive_ = false;
        empty_ = news.empty;
        const bool parent = service.type == units::Type::forking && doing_ == Doing::main;
        if (found_ && !parent) return look_whether_gone(turn);  // another one is the main process
        exit_ = news.status;
        const bool forgiven = forgives(service, units::Phase::main, index_);
        main_ended(end_of(news.status, news.oom, forgiven, turn), turn);
    } else if (command_alive_ && news.process.step == command_step_) {
        command_alive_ = false;
        empty_ = news.empty;
        const bool forgiven = forgives(service, command_phase_, index_);
        command_ended(end_of(news.status, news.oom, forgiven, turn), turn);
    }
}

void UnitMachine::on(const MainExited& news, Turn turn) {
    if (news.run != run_ || !found_alive_) return;
    found_alive_ = false;
    empty_ = news.empty;
    exit_ = news.status;
    main_ended(end_of(news.status, news.oom, false, turn), turn);
}

void UnitMachine::on(const Emptied& news, Turn turn) {
    if (news.run != run_ || empty_ || has_main() || command_alive_) return;
    empty_ = true;
    if (state_ == State::starting && doing_ == Doing::find_main) {
        std::string detail = "no process is left";
        if (!detail_.empty()) detail += "; " + detail_;
        judge({Result::protocol, false, true, std::move(detail)});
        return ended_by_itself(turn);
    }
    look_whether_gone(turn);
}

void UnitMachine::on(const MainFound& news, Turn turn) {
    if (news.run != run_ || !is_running(state_)) return;
    if (turn.unit.service->type == units::Type::oneshot) return;
    if (empty_ && !main_alive_) return;  // old news: nothing is left of which it could be one
    found_ = found_alive_ = true;
    if (state_ == State::starting && doing_ == Doing::find_main) {
        detail_.clear();
        return main_ready(turn);
    }
    const bool told = doing_ == Doing::terminating && state_ == State::stopping;
    const bool main_alone = turn.unit.service->kill_mode == units::KillMode::process ||
                            turn.unit.service->kill_mode == units::KillMode::mixed;
    if (told && main_alone) {
        turn.out.emplace_back(
            SendSignal{turn.id, run_, SendSignal::Whom::main, turn.unit.service->kill_signal});
    }
}

void UnitMachine::on(const MainMissing& news, Turn) {
    if (news.run != run_ || doing_ != Doing::find_main) return;
    detail_ = news.why;  // start-timeout decides; this is what people are told until then
}

void UnitMachine::on(const Notified& news, Turn turn) {
    if (news.run != run_ || !is_running(state_)) return;
    if (news.error > 0) errno_ = static_cast<std::uint16_t>(news.error);
    if (news.extend > Duration::zero() && deadline_ != never)
        deadline_ = std::max(deadline_, later(turn.now, news.extend));
    const bool working = state_ == State::up || state_ == State::reloading;
    if (working && news.watchdog_trigger) return missed_watchdog(turn);
    if (working && news.watchdog) feed_watchdog(turn);
    if (working && news.stopping) {  // it goes by itself; how, its exit will tell
        doing_ = Doing::ending_alone;
        return enter(State::stopping, later(turn.now, turn.unit.service->stop_timeout),
                     "it says that it stops", turn);
    }
    if (working && news.reloading) {
        announced_reload_ = true;
        const TimePoint until = later(turn.now, turn.unit.service->start_timeout);
        if (state_ == State::up) enter(State::reloading, until, "it says that it reloads", turn);
    }
    if (!news.ready) return;
    if (state_ == State::starting && doing_ == Doing::main &&
        turn.unit.service->type == units::Type::notify) {
        main_ready(turn);
    } else if (state_ == State::reloading && std::exchange(announced_reload_, false) &&
               doing_ == Doing::work) {
        reload_ended(turn);
    }
}

void UnitMachine::main_ended(End end, Turn turn) {
    switch (state_) {
        case State::starting: main_ended_in_start(std::move(end), turn); break;
        case State::up:
        case State::reloading:
            judge(std::move(end));
            ended_by_itself(turn);
            break;
        case State::stopping:
        case State::killing:
            if (told_ == Going::no) judge(std::move(end));
            look_whether_gone(turn);
            break;
        case State::down:
        case State::waiting:
        case State::backoff:
        case State::done:
        case State::failed: break;  // a run that is over has no process
    }
}

void UnitMachine::main_ended_in_start(End end, Turn turn) {
    const units::Type type = turn.unit.service->type;
    const bool parent = type == units::Type::forking && doing_ == Doing::main;
    if (parent && end.clean && end.spawned) {
        exit_ = {};
        if (found_alive_) return main_ready(turn);
        doing_ = Doing::find_main;
        turn.out.emplace_back(FindMain{turn.id, run_});
        if (empty_) {
            judge({Result::protocol, false, true, "no process is left"});
            ended_by_itself(turn);
        }
        return;
    }
    if (type == units::Type::oneshot && end.clean) {
        ++index_;
        if (!spawn_next(units::Phase::main, turn)) main_ready(turn);
        return;
    }
    const bool waits_for_ready = type == units::Type::notify || type == units::Type::forking;
    const bool up_when_executed = !waits_for_ready && type != units::Type::oneshot;
    if (doing_ == Doing::main && up_when_executed && end.spawned)
        main_ready(turn);  // that it was executed is news that comes with its exit
    if (end.clean && waits_for_ready && !parent)
        end = {Result::protocol, false, true, "ended before it was ready: " + end.detail};
    judge(std::move(end));
    ended_by_itself(turn);
}

void UnitMachine::command_ended(const End& end, Turn turn) {
    switch (doing_) {
        case Doing::start_pre:
        case Doing::start_post: {
            const auto phase =
                doing_ == Doing::start_pre ? units::Phase::start_pre : units::Phase::start_post;
            if (!end.clean) {
                const Result why =
                    end.result == Result::spawn_failed ? end.result : Result::killed_start;
                judge({why, false, true, std::string{to_string(phase)} + ": " + end.detail});
                return ended_by_itself(turn);
            }
            ++index_;
            if (spawn_next(phase, turn)) return;
            return doing_ == Doing::start_pre ? start_main(turn) : reached(turn);
        }
        case Doing::reload:
            if (!end.clean) {
                reload_failed_ = true;
                detail_ = "reload: " + end.detail;
            }
            ++index_;
            if (!end.clean || !spawn_next(units::Phase::reload, turn)) reload_ended(turn);
            return;
        case Doing::stop_commands:
            if (command_phase_ == units::Phase::stop) ++index_;  // else the command it cut short
            if (!spawn_next(units::Phase::stop, turn)) terminate("", turn);
            return;
        case Doing::stop_post:
            ++index_;
            if (spawn_next(units::Phase::stop_post, turn)) return;
            doing_ = Doing::leaving;
            enter(state_, later(turn.now, turn.unit.service->stop_timeout), "", turn);
            return look_whether_gone(turn);
        case Doing::terminating:
        case Doing::leaving:
        case Doing::ending_alone: return look_whether_gone(turn);
        case Doing::nothing:
        case Doing::main:
        case Doing::find_main:
        case Doing::work: return;  // no command runs then
    }
}

void UnitMachine::reload_ended(Turn turn) {
    doing_ = Doing::work;
    if (reload_again_) return begin_reload(turn);
    if (announced_reload_ && !reload_failed_) return;  // READY=1 or the deadline ends it
    announced_reload_ = false;
    enter(State::up, run_deadline(turn), reload_failed_ ? detail_ : "reloaded", turn);
}

void UnitMachine::expire(Turn turn) {
    if (second_ <= turn.now) {
        second_ = never;
        switch (state_) {
            case State::up:
            case State::reloading: return missed_watchdog(turn);
            case State::waiting: idle_over_ = true; break;
            case State::down:
            case State::starting:
            case State::stopping:
            case State::killing:
            case State::backoff:
            case State::done:
            case State::failed: break;
        }
    }
    if (deadline_ > turn.now) return;
    switch (state_) {
        case State::waiting: return settle(Result::wait_timeout, "wait-timeout", turn);
        case State::starting: {
            std::string detail = "not up within start-timeout";
            if (!detail_.empty()) detail += ": " + detail_;
            judge({Result::start_timeout, false, true, std::move(detail)});
            return terminate(detail_, turn);
        }
        case State::up:
            judge({Result::run_timeout, false, true, "longer up than run-timeout"});
            return stop_orderly(detail_, turn);
        case State::reloading:
            deadline_ = never;
            if (doing_ == Doing::work) {
                announced_reload_ = false;
                return reload_ended(turn);
            }
            reload_failed_ = true;
            turn.out.emplace_back(SendSignal{turn.id, run_, SendSignal::Whom::control, sig_kill});
            return;
        case State::stopping:
            if (doing_ == Doing::stop_commands) return terminate("", turn);
            killed_ = true;
            return kill(turn);
        case State::killing: return kill(turn);
        case State::backoff: deadline_ = never; return;  // over: the engine starts it when it can
        case State::down:
        case State::done:
        case State::failed: deadline_ = never; return;  // these set none
    }
}

}  // namespace reeve::core
