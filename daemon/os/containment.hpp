// What holds the processes of a unit together: a cgroup each where a v2 hierarchy is delegated
// (pure or hybrid), else process groups, and descent from us. Says once which it is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"

namespace reeve::os {

class Containment {
public:
    // Finds the delegated cgroup and makes a folder for this instance in it; without one, falls
    // back to process groups. `emptied` is called on the loop when the last process of a run is
    // gone (with cgroups: populated 0; without: no descendant carries its REEVE_RUN).
    Containment(Loop& loop, const std::string& instance,
                std::function<void(core::UnitId, core::RunId)> emptied);
    ~Containment();  // removes the folders that are empty
    Containment(const Containment&) = delete;
    Containment& operator=(const Containment&) = delete;

    [[nodiscard]] bool has_cgroups() const noexcept;
    [[nodiscard]] std::string describe() const;  // for the start-up line and `stats`

    // Before the first process of a run: makes or reuses the unit's cgroup, thawed, and returns
    // its descriptor (owned here, valid until leave()); -1 without cgroups. `mark` is the value of
    // REEVE_RUN in the environment of the run's processes.
    int enter(core::UnitId unit, std::string_view name, core::RunId run, std::string_view mark);
    // From now on tells when the run is empty; at once (on the loop) if it already is.
    void watch_empty(core::UnitId unit, core::RunId run);
    void leave(core::UnitId unit);  // the run is over

    // SIGKILL to all processes of the run (cgroup.kill, or each descendant by pidfd).
    void kill_all(core::UnitId unit, core::RunId run);
    // A signal to all processes of the run; `except` is a pid to leave out, 0: none.
    void signal_all(core::UnitId unit, core::RunId run, int signal, pid_t except = 0);
    // The pids of the run, for finding the main process and for `status`.
    [[nodiscard]] std::vector<pid_t> members(core::UnitId unit, core::RunId run) const;
    [[nodiscard]] bool contains(core::UnitId unit, core::RunId run, pid_t pid) const;
    // oom_kill counter of the cgroup grew since enter().
    [[nodiscard]] bool oom_killed(core::UnitId unit) const;
    // A child was reaped: without cgroups, the moment to look whether a run is empty.
    void after_reap();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
