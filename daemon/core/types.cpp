#include "daemon/core/types.hpp"

namespace reeve::core {

std::string_view to_string(State state) noexcept {
    switch (state) {
        case State::down: return "down";
        case State::waiting: return "waiting";
        case State::starting: return "starting";
        case State::up: return "up";
        case State::reloading: return "reloading";
        case State::stopping: return "stopping";
        case State::killing: return "killing";
        case State::backoff: return "backoff";
        case State::done: return "done";
        case State::failed: return "failed";
    }
    return "?";  // unreachable while every enumerator is listed; -Wswitch checks that
}

bool is_running(State state) noexcept {
    switch (state) {
        case State::starting:
        case State::up:
        case State::reloading:
        case State::stopping:
        case State::killing: return true;
        case State::down:
        case State::waiting:
        case State::backoff:
        case State::done:
        case State::failed: return false;
    }
    return false;
}

bool is_at_rest(State state) noexcept {
    return state == State::done || state == State::failed;
}

std::string_view to_string(Asked asked) noexcept {
    switch (asked) {
        case Asked::none: return "none";
        case Asked::up: return "up";
        case Asked::down: return "down";
    }
    return "?";
}

std::string_view to_string(Result result) noexcept {
    switch (result) {
        case Result::none: return "none";
        case Result::success: return "success";
        case Result::skipped: return "skipped";
        case Result::assert_failed: return "assert-failed";
        case Result::exit_code: return "exit-code";
        case Result::signal: return "signal";
        case Result::core_dump: return "core-dump";
        case Result::oom_kill: return "oom-kill";
        case Result::spawn_failed: return "spawn-failed";
        case Result::start_timeout: return "start-timeout";
        case Result::run_timeout: return "run-timeout";
        case Result::stop_timeout: return "stop-timeout";
        case Result::watchdog: return "watchdog";
        case Result::protocol: return "protocol";
        case Result::limit: return "limit";
        case Result::wait_timeout: return "wait-timeout";
        case Result::killed_start: return "killed-start";
    }
    return "?";
}

}  // namespace reeve::core
