// The life of one unit as a pure state machine: what it is told and what its processes do come in,
// actions go out. It knows nothing of other units; the engine says when to start and when to go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"
#include "daemon/core/types.hpp"
#include "units/unit_file.hpp"

namespace reeve::core {

inline constexpr TimePoint never = TimePoint::max();

// `from + by`, or never when that is beyond time.
TimePoint later(TimePoint from, Duration by) noexcept;

// Why a running unit was told to go (semantics §5).
enum class Going : std::uint8_t { no, decision, loss };
constexpr Going last_of(Going) noexcept {
    return Going::loss;
}

// What one call works with.
struct Turn {
    TimePoint now;
    UnitId id;
    const units::UnitFile& unit;  // the definition of the run
    bool decided;                 // it must go by a decision, whether told yet or not
    bool wanted;                  // once gone it waits; otherwise it is down
    Duration wait_timeout;        // of the definition that counts once it is gone
    std::vector<Action>& out;
};

class UnitMachine {
public:
    // ── told by the engine ──────────────────────────────────────────────────────────────────────
    void wait(std::string reason, Turn turn);       // down, backoff → waiting
    void wait_anew(Turn turn);                      // the definition changed while it waits
    void come_down(std::string reason, Turn turn);  // waiting, backoff, done, failed → down
    // down, waiting → done (skipped) or failed (assert_failed, limit), without a run.
    void settle(Result result, std::string reason, Turn turn);
    void begin(RunId run, std::string reason, Turn turn);  // down, waiting, backoff → starting, up
    void found(RunId run, Turn turn);  // down → up: its main process is there, as step 1
    void go(Going why, std::string reason, Turn turn);  // starting, up, reloading
    void reload(Turn turn);                             // up, reloading (once more after that)
    void forget_counters() noexcept;                    // a request ends the row
    void forget_failure() noexcept;                     // the result, and the counters
    void end_backoff() noexcept {
        if (state_ == State::backoff) deadline_ = never;
    }
    // Waiting to begin when nothing else starts; idle_over() once `until` has passed.
    void wait_for_idle(TimePoint until) noexcept { second_ = until; }
    void end_idle() noexcept {
        second_ = never;
        idle_over_ = true;
    }
    void forget_idle() noexcept {
        second_ = never;
        idle_over_ = false;
    }

    // ── happened to its processes; stale news changes nothing ───────────────────────────────────
    void on(const Spawned& news, Turn turn);
    void on(const SpawnFailed& news, Turn turn);
    void on(const Exited& news, Turn turn);
    void on(const Emptied& news, Turn turn);
    void on(const MainFound& news, Turn turn);
    void on(const MainMissing& news, Turn turn);
    void on(const MainExited& news, Turn turn);
    void on(const Notified& news, Turn turn);
    void expire(Turn turn);  // whatever deadline has passed

    // ── what it knows ───────────────────────────────────────────────────────────────────────────
    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] RunId run() const noexcept { return run_; }
    [[nodiscard]] Result result() const noexcept { return result_; }
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
    [[nodiscard]] const ExitStatus& last_exit() const noexcept { return exit_; }
    [[nodiscard]] TimePoint since() const noexcept { return since_; }
    [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }
    [[nodiscard]] std::uint64_t starts() const noexcept { return starts_; }
    [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }
    [[nodiscard]] TimePoint next_deadline() const noexcept { return std::min(deadline_, second_); }
    [[nodiscard]] bool backoff_over() const noexcept { return deadline_ == never; }
    [[nodiscard]] bool idle_over() const noexcept { return idle_over_; }
    [[nodiscard]] bool idle_waits() const noexcept { return second_ != never || idle_over_; }
    [[nodiscard]] bool reload_failed() const noexcept { return reload_failed_; }
    [[nodiscard]] bool reloads_again() const noexcept { return reload_again_; }
    [[nodiscard]] bool has_main() const noexcept { return main_alive_ || found_alive_; }
    // A process of it is there, as far as is known: what shutdown joins.
    [[nodiscard]] bool has_process() const noexcept;
    // Ended with processes left behind (kill-mode process or none).
    [[nodiscard]] bool left_over() const noexcept { return !is_running(state_) && !empty_; }
    // The start now would be one more than `limit` allows.
    [[nodiscard]] bool over_limit(const units::Limit& limit, TimePoint now) const noexcept;
    [[nodiscard]] std::string_view doing() const noexcept;  // "start-pre", "main", … for `why`

    template <class Archive>
    void serialize(Archive& archive);

private:
    // What goes on within starting, reloading, stopping and killing.
    enum class Doing : std::uint8_t {
        nothing,
        start_pre,
        main,       // the main process or command runs and is not ready yet
        find_main,  // forking: the parent has exited, the shell looks for the main process
        start_post,
        work,
        reload,
        stop_commands,
        ending_alone,  // the main process goes on its own (STOPPING=1, ABRT); the rest is not told
        terminating,   // told to go
        stop_post,
        leaving,  // all is said and done; what stop-post left is awaited
    };
    friend constexpr Doing last_of(Doing) noexcept { return Doing::leaving; }

    void forget_run(RunId next) noexcept;
    void enter(State next, TimePoint deadline, std::string reason, Turn turn);
    void spawn(units::Phase phase, Turn turn);
    // Spawns command `index_` of the phase; false: there is none.
    bool spawn_next(units::Phase phase, Turn turn);

    void start_main(Turn turn);
    void main_ready(Turn turn);
    void reached(Turn turn);

    // How a process ended, with what the definition says of it.
    struct End {
        Result result;
        bool clean;
        bool spawned;
        std::string detail;
    };
    void main_ended(End end, Turn turn);
    void main_ended_in_start(End end, Turn turn);
    void command_ended(const End& end, Turn turn);
    void begin_reload(Turn turn);
    void reload_ended(Turn turn);
    void ended_by_itself(Turn turn);
    [[nodiscard]] End end_of(const ExitStatus& status, bool oom, bool forgiven, Turn turn) const;

    void stop_orderly(std::string reason, Turn turn);
    void terminate(std::string reason, Turn turn);
    void kill(Turn turn);
    void told_too_early(bool main, Turn turn);
    void look_whether_gone(Turn turn);
    void after_gone(Turn turn);
    void finish(Turn turn);
    void back_off(std::string reason, Duration at_least, Turn turn);
    void missed_watchdog(Turn turn);
    void feed_watchdog(Turn turn);
    [[nodiscard]] bool gone(Turn turn) const noexcept;
    [[nodiscard]] TimePoint run_deadline(Turn turn) const noexcept;
    void judge(End end);

    State state_ = State::down;
    Doing doing_ = Doing::nothing;
    Going told_ = Going::no;
    Result result_ = Result::none;
    units::Phase command_phase_ = units::Phase::main;
    bool clean_ = false;
    bool main_alive_ = false;  // the process spawned as main; of forking the parent
    bool found_ = false;       // another process is the main one (forking, MAINPID=)
    bool found_alive_ = false;
    bool command_alive_ = false;  // start-pre, start-post, reload, stop, stop-post
    bool empty_ = true;  // no process of the run is left; news older than a process is void
    bool main_executed_ = false;  // Spawned came: a signal reaches it
    bool command_executed_ = false;
    bool killed_ = false;            // KILL was needed
    bool announced_reload_ = false;  // RELOADING=1, and no READY=1 since
    bool reload_again_ = false;
    bool reload_failed_ = false;
    bool idle_over_ = false;
    std::uint16_t index_ = 0;  // of the command, within its phase
    std::uint16_t errno_ = 0;  // as the service told it
    std::uint32_t step_ = 0;
    std::uint32_t main_step_ = 0;
    std::uint32_t command_step_ = 0;
    std::uint32_t failures_ = 0;  // ends in a row
    RunId run_{0};
    std::uint64_t starts_ = 0;
    TimePoint since_{};
    TimePoint up_since_ = never;  // of this run
    TimePoint deadline_ = never;  // of the state: set by enter(), moved by EXTEND_TIMEOUT
    TimePoint second_ = never;    // of the watchdog while up; of an idle start while waiting
    ExitStatus exit_;
    std::vector<TimePoint> recent_;  // starts that count for the limit
    std::string detail_;
};

template <class Archive>
void UnitMachine::serialize(Archive& archive) {
    archive(state_, doing_, told_, result_, command_phase_, clean_, main_alive_, found_,
            found_alive_, command_alive_, empty_, main_executed_, command_executed_, killed_,
            announced_reload_, reload_again_, reload_failed_, idle_over_, index_, errno_, step_,
            main_step_, command_step_, failures_, run_, starts_, since_, up_since_, deadline_,
            second_, exit_.code, exit_.signal, exit_.core_dumped, exit_.unknown, recent_, detail_);
}

}  // namespace reeve::core
