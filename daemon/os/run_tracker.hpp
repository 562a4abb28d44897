// Whose is a process, where there are no cgroups: the mark in its environment, or else its parent,
// its session, or that we knew it before. A program may write over its environment and leave its
// session; if nothing tells, it is nobody's until it is claimed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/process_tree.hpp"

namespace reeve::os {

class RunTracker {
public:
    using Key = std::pair<core::UnitId, core::RunId>;

    // Of the processes of the run have REEVE_RUN=mark.
    // `since` (clock ticks since boot): none of it is older; nullopt: now.
    void add(Key run, std::string_view mark, std::optional<std::uint64_t> since = std::nullopt);
    // They descend from `root`, a parent of ours, too: those that a manager before us started. 0:
    // from us alone, and what is known is looked at wherever it has gone.
    void look_below(pid_t root) { root_ = root; }
    void remove(Key run);

    // The processes of the run, found anew.
    std::vector<ProcessId> members(Key run);
    // False: at the last look a process was in the midst of exec, so that members() may miss it.
    [[nodiscard]] bool is_settled() const noexcept { return settled_; }
    // One that was known to be of the run is alive; cheap, and false proves nothing.
    bool has_known(Key run);
    // Is of the run; or it descends from us, nobody else's, and began after the run: a PID file
    // that names such a process is believed, and it is the run's from then on.
    bool claim(Key run, pid_t pid);
    // Is of the run, whatever it does to its environment: we started it.
    void remember(Key run, pid_t pid);
    // There is no /proc: only the process groups of what we started are known.
    [[nodiscard]] bool is_blind() const noexcept { return blind_; }
    // One of the runs has this mark.
    [[nodiscard]] bool knows(std::string_view mark) const { return by_mark_.contains(mark); }
    // False for a key that was not added.
    [[nodiscard]] bool contains(Key run) const { return runs_.count(run) != 0; }

private:
    struct Run {
        std::string mark;
        std::uint64_t since = 0;  // clock ticks since boot, as start times
    };

    void look();
    void add_strayed(std::vector<ProcessInfo>& processes) const;
    [[nodiscard]] std::vector<ProcessId> living_groups(Key run);

    std::map<Key, Run> runs_;
    std::map<std::string, Key, std::less<>> by_mark_;
    std::map<ProcessId, Key> known_;
    bool settled_ = true;
    pid_t root_ = 0;  // 0: us
    // Without /proc: the groups of what was started, by leader, until they are empty.
    bool blind_ = !has_proc();
    std::map<pid_t, Key> groups_;
};

}  // namespace reeve::os
