// What holds the processes of a unit together: a cgroup each where a v2 hierarchy is delegated
// (pure or hybrid), else process groups, and descent from us. Says once which it is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/living.hpp"
#include "daemon/os/loop.hpp"

namespace reeve::os {

class Containment {
public:
    // Finds the delegated cgroup and makes a folder for this instance in it; without one, falls
    // back to process groups. `emptied` is called on the loop when the last process of a run is
    // gone (with cgroups: populated 0; without: no descendant carries its REEVE_RUN).
    // `use_cgroups` false: process groups in any case.
    Containment(Loop& loop, const std::string& instance,
                std::function<void(core::UnitId, core::RunId)> emptied, bool use_cgroups = true);
    ~Containment();  // removes the folders that are empty, if not abandoned
    Containment(const Containment&) = delete;
    Containment& operator=(const Containment&) = delete;

    [[nodiscard]] bool has_cgroups() const noexcept;
    [[nodiscard]] std::string describe() const;  // for the start-up line and `stats`

    // Before the first process of a run: makes or reuses the unit's cgroup, thawed, and returns
    // its descriptor (owned here, valid until leave()); -1 without cgroups, or when this one could
    // not be made (said once). `mark` is the value of REEVE_RUN in the environment of the run's
    // processes. Again for the same run (each further process): thaws, gives the same.
    int enter(core::UnitId unit, std::string_view name, core::RunId run, std::string_view mark);
    // The same for a run that a manager before us entered: its folder as it is, thawed. Without
    // cgroups its processes are found by their mark, and those that joined().
    int adopt(core::UnitId unit, std::string_view name, core::RunId run, std::string_view mark);
    // This process of it lives. One that the manager before us started without a cgroup, as it
    // could not make one, is not in the folder that is there: then the run is held as without
    // cgroups. Seen soon.
    void adopted(core::UnitId unit, core::RunId run, std::string_view mark, pid_t pid);
    // After the last adopt(): what is in other folders of these units counts as left behind by
    // earlier runs, whose number may not be known (0); empty folders are removed.
    void adopt_rest(const std::vector<std::pair<core::UnitId, std::string>>& units);
    // What lives in folders that a manager before us made, before any adopt(); without cgroups by
    // the marks in the environment.
    [[nodiscard]] std::vector<Living> living(const UnitNames& units) const;
    [[nodiscard]] std::set<std::string> living_names() const;
    // Without cgroups: processes descend from `root`, a parent of ours, too; 0: it has died.
    void look_below(pid_t root);
    // The manager after us has it: nothing is removed.
    void abandon() noexcept;
    // A process of the run that we started ourselves. Without cgroups it is remembered: it may
    // write over its environment (setproctitle), and with it over the mark.
    void joined(core::UnitId unit, core::RunId run, pid_t pid);
    // Tells once when the run is empty; soon (on the loop) if it already is. What waits for a spawn
    // thread is not seen here.
    void watch_empty(core::UnitId unit, core::RunId run);
    void leave(core::UnitId unit);  // the run is over, and empty
    // The run is over for the core; what is left of it (kill-mode process, none) is held on to
    // until it is empty, which is told as of any run.
    void leave_behind(core::UnitId unit);
    // The pids of what earlier runs of the unit left behind.
    [[nodiscard]] std::vector<pid_t> left_behind(core::UnitId unit) const;
    // Children are to write themselves into their cgroup: born there they would be killed (found
    // at the beginning, said once).
    [[nodiscard]] bool join_by_hand() const noexcept;
    // One was killed before it ran: looks whether that has become so.
    void killed_at_birth();

    // SIGKILL to all processes of the run (cgroup.kill, or each by pidfd, again until none is
    // left).
    void kill_all(core::UnitId unit, core::RunId run);
    // A signal to all processes of the run; `except` is a pid to leave out, 0: none.
    void signal_all(core::UnitId unit, core::RunId run, int signal, pid_t except = 0);
    // Before that: what a manager before us started, and no unit accounts for, counts as left
    // behind too.
    void hold_the_rest();
    // The last step of a shutdown: to all processes of all runs, and of those left behind.
    void signal_everything(int signal);
    [[nodiscard]] bool is_all_empty() const;
    // No process of the run is left, as far as can be told now; cheaper than members().
    [[nodiscard]] bool is_empty(core::UnitId unit, core::RunId run) const;
    // The pids of the run, for finding the main process and for `status`.
    [[nodiscard]] std::vector<pid_t> members(core::UnitId unit, core::RunId run) const;
    // Without cgroups also true of a process that nothing ties to any run, descends from us and is
    // younger than the run; such a one counts as of this run from then on.
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
