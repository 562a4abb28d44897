// The world around the core, simulated: processes that obey badly, paths and devices that come and
// go, news that is late or comes twice. Tells the truth, as the shell does, but in its own time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"
#include "hal/core/scheduler.hpp"
#include "tests/core/support/sim_random.hpp"
#include "units/unit_file.hpp"

namespace reeve::sim {

// A promise that the core has not kept.
struct Violation : std::runtime_error {
    Violation(core::UnitId unit_, const std::string& text)
        : std::runtime_error{text}, unit{unit_} {}
    core::UnitId unit;
};

// What the core has been told of one run, and what is really so.
struct Run {
    struct Process {
        core::ProcessRef ref;
        units::Phase phase{};
        enum class Life : std::uint8_t { in_flight, alive, ended } life = Life::in_flight;
        bool told_started = false;
        bool told_ended = false;
        bool deaf = false;   // ignores TERM
        bool stuck = false;  // has nothing more to do by itself
        core::ExitStatus status;
    };
    struct Fork {
        bool alive = true;
        bool deaf = false;
        bool main = false;   // of a forking service …
        bool found = false;  // … and MainFound is on its way, or was told
        bool end_untold = false;
    };
    core::UnitId unit{};
    core::RunId id{};
    units::UnitPtr definition;
    std::vector<Process> processes;
    std::vector<Fork> forks;
    core::TimePoint last_news{};
    std::uint32_t next_command[6]{};  // by phase: the index that comes next
    bool find_asked = false;
    bool main_known = false;  // MainFound was told
    bool main_ended = false;  // Exited of main, of the forking parent unclean, or MainExited told
    bool parent_ended = false;
    bool ready = false;
    bool said_stopping = false;
    bool trigger = false;
    bool unclean = false;  // some process could not be spawned, or ended unclean; told
    bool emptied = true;   // told since the last end and the last spawn

    bool over = false;  // EndRun came, and something was left over (kill-mode process, none)

    [[nodiscard]] bool anything_alive() const;
    [[nodiscard]] bool anything_outstanding() const;  // a process whose end was not told
    // As the core is told: nothing of it is left.
    [[nodiscard]] bool gone() const { return emptied && !anything_outstanding(); }
};

class World {
public:
    explicit World(Random& random);

    core::TimePoint now{};  // moved by whoever drives

    // Carries an action out. `definition` is of the run that the action is about.
    void act(const core::Action& action, const units::UnitPtr& definition);

    // When something happens next by itself; nullopt: never.
    [[nodiscard]] std::optional<core::TimePoint> next() const;
    // Lets that happen. What the core is to be told about it, if anything.
    std::optional<core::Event> happen();
    // Something that nobody asked for: a death, a flood of old news, a path, a device …
    std::optional<core::Event> disturb();
    // Marks what the core is told as told. To be called just before handle().
    void told(const core::Event& event);

    // From now on nothing goes wrong by itself, and what hangs comes to its end.
    void calm_down();
    // Nothing is under way but the regular pings of watchdogs.
    [[nodiscard]] bool quiet() const { return pending_ == 0; }

    [[nodiscard]] const Run* run_of(core::UnitId unit) const;
    // Whether something is left of a run that has ended, as far as the core is told.
    [[nodiscard]] bool left_over(core::UnitId unit) const;
    [[nodiscard]] const std::map<core::RunId, Run>& runs() const { return runs_; }
    [[nodiscard]] const hal::Scheduler& leases() const { return leases_; }
    [[nodiscard]] bool testing(core::UnitId unit) const {
        const auto it = testing_.find(unit);
        return it != testing_.end() && it->second > 0;
    }
    [[nodiscard]] bool asking(core::UnitId unit) const { return asking_.contains(unit); }
    [[nodiscard]] bool watching(core::UnitId unit) const { return watching_.contains(unit); }
    // As the core knows it; nullopt: it was not told since somebody watches.
    [[nodiscard]] std::optional<bool> told_path(const std::string& path) const;
    [[nodiscard]] bool told_device(const std::string& device) const;
    [[nodiscard]] const std::vector<std::string>* tested(core::UnitId unit) const;
    // Why the unit cannot start for reasons outside the model; as told.
    [[nodiscard]] bool hindered(core::UnitId unit) const { return hindered_.contains(unit); }

private:
    // A step of the world: `what` happens to one process or fork of a run.
    struct Act {
        enum class What : std::uint8_t {
            starts,
            cannot_start,
            exits,
            fork_ends,
            ready,
            ping,
            reloaded,
            check_empty,
            find
        } what{};
        core::RunId run{};
        std::uint32_t index = 0;  // of processes or forks
        core::ExitStatus status;
    };
    struct Due {
        core::TimePoint at;
        std::uint64_t number;
        std::variant<Act, core::Event> what;
        friend bool operator<(const Due& a, const Due& b) {  // a heap: the earliest on top
            return std::tie(b.at, b.number) < std::tie(a.at, a.number);
        }
    };

    void act(const core::Spawn& action);
    void act(const core::SendSignal& action);
    void act(const core::KillAll& action);
    void act(const core::BeginRun& action, const units::UnitPtr& definition);
    void act(const core::FindMain& action);
    void act(const core::EndRun& action);
    void act(const core::WatchGate& action, const units::UnitPtr& definition);
    void act(const core::UnwatchGate& action);
    void act(const core::TestPredicates& action, const units::UnitPtr& definition);
    void act(const core::AskLeases& action, const units::UnitPtr& definition);
    void act(const core::ReturnLeases& action);

    std::optional<core::Event> happen(const Act& act);
    void begins(Run& run, std::uint32_t index);
    void main_begins(Run& run, std::uint32_t index);
    std::optional<core::Event> ends(Run& run, std::uint32_t index, core::ExitStatus status);
    void check_empty_later(const Run& run);
    bool last_of(core::RunId run, std::uint32_t step);
    void signal(Run& run, std::uint32_t process, int signal);
    void signal_fork(Run& run, std::uint32_t fork, int signal);
    core::Duration death_takes(int signal);
    core::ExitStatus some_end();
    std::optional<core::Event> kill_somebody();
    std::optional<core::Event> old_news();
    std::optional<core::Event> notify_something();
    void change_path();
    void change_devices();

    void later(core::Duration delay, Act act);
    void tell(Run& run, core::Event event);  // in order within a run
    void tell(core::Event event);
    void tell_of_devices(core::Event event);
    void push(core::TimePoint at, std::variant<Act, core::Event> what);
    void note(const hal::Outcome& outcome);
    Run& live(core::UnitId unit, core::RunId run, const char* what);
    Run* find(core::RunId run);
    core::Duration soon();

    Random& random_;
    std::vector<Due> due_;
    std::uint64_t number_ = 0;
    std::size_t pending_ = 0;  // of due_, all but pings
    bool calm_ = false;

    std::map<core::RunId, Run> runs_;  // begun and not ended
    std::map<core::UnitId, core::RunId> current_;
    std::deque<core::Event> old_news_;

    hal::Scheduler leases_;
    std::map<std::string, std::uint32_t> devices_;
    std::map<std::string, bool> told_devices_;
    std::set<core::UnitId> asking_;
    std::map<core::UnitId, int> testing_;  // questions not answered yet
    core::TimePoint last_test_{};
    core::TimePoint last_device_news_{};
    std::map<core::UnitId, std::vector<std::string>> tested_;
    std::map<core::UnitId, units::UnitPtr> watching_;
    std::map<std::string, int> watchers_;
    std::map<std::string, bool> paths_;
    std::map<std::string, std::optional<bool>> told_paths_;
    std::set<core::UnitId> hindered_;
};

// Every path leaf within the predicates.
void collect_paths(const std::vector<units::Predicate>& predicates, std::set<std::string>& paths);

}  // namespace reeve::sim
