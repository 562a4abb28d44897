// The words of the core: ids, states, results. Everything is a value; nothing here does anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace reeve::core {

using Duration = std::chrono::microseconds;
// Microseconds on CLOCK_MONOTONIC. The core never reads a clock; callers pass `now` in.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

enum class UnitId : std::uint32_t {};     // stable for the life of the engine, never reused
enum class RequestId : std::uint64_t {};  // of the caller; 0: nobody waits for an answer

// Numbers the runs of all units, ever growing; 0: never ran. News of an older run changes nothing.
enum class RunId : std::uint64_t {};

// Which process of a run: every spawn of a run has the next step. News carries it.
struct ProcessRef {
    UnitId unit{};
    RunId run{};
    std::uint32_t step = 0;
    friend bool operator==(const ProcessRef&, const ProcessRef&) = default;
    friend auto operator<=>(const ProcessRef&, const ProcessRef&) = default;
};

// semantics §2. Order matters to nobody; is_running() says which of them run.
enum class State : std::uint8_t {
    down,
    waiting,
    starting,
    up,
    reloading,
    stopping,
    killing,
    backoff,
    done,
    failed
};
constexpr State last_of(State) noexcept {
    return State::failed;
}
std::string_view to_string(State state) noexcept;
bool is_running(State state) noexcept;  // starting, up, reloading, stopping, killing
bool is_at_rest(State state) noexcept;  // done, failed

enum class Asked : std::uint8_t { none, up, down };
constexpr Asked last_of(Asked) noexcept {
    return Asked::down;
}
std::string_view to_string(Asked asked) noexcept;

// How a process ended: an exit code, or the signal that killed it.
struct ExitStatus {
    int code = 0;    // meaningful when signal == 0
    int signal = 0;  // 0: exited by itself
    bool core_dumped = false;
    bool unknown = false;  // nobody could tell: its parent was somebody else
    friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// Why the last run ended as it did, for people and `Result` on the bus.
enum class Result : std::uint8_t {
    none,  // has not ended yet
    success,
    skipped,  // a condition did not hold
    assert_failed,
    exit_code,  // ended by itself with an unclean code
    signal,     // died of a signal that is not clean
    core_dump,
    oom_kill,
    spawn_failed,  // could not be started: stage and errno in `detail`
    start_timeout,
    run_timeout,
    stop_timeout,  // went as told, but had to be killed
    watchdog,
    protocol,  // ended before it was ready; PID file missing or foreign
    limit,     // too many starts within the time
    wait_timeout,
    killed_start,  // a helper command (start-pre, start-post) failed
};
constexpr Result last_of(Result) noexcept {
    return Result::killed_start;
}
std::string_view to_string(Result result) noexcept;

}  // namespace reeve::core
