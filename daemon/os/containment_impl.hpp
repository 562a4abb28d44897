// The inside of Containment. What it does is in three files: containment.cpp (the interface),
// containment_folders.cpp (which folder a run has), containment_watch.cpp (when a run is empty).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "daemon/os/cgroup_dir.hpp"
#include "daemon/os/containment.hpp"
#include "daemon/os/instance_cgroup.hpp"
#include "daemon/os/run_tracker.hpp"

namespace reeve::os {

struct Containment::Impl {
    using Key = RunTracker::Key;
    // Of what lives and is of no unit; of none that an engine ever has.
    static constexpr core::UnitId nobody{0xFFFF'FFFF};

    struct Unit {
        core::RunId run{};
        CgroupDir cgroup;                                  // none: process groups
        std::optional<std::uint64_t> oom_kills_before{0};  // none: noted at the folder
        CgroupDir former;      // it is not in there; whoever took its descriptor may have it yet
        bool watched = false;  // somebody waits to hear that it is empty
        bool entered = false;  // false: idle, kept for the next run
        bool killed = false;   // cgroup.kill was written to it
    };

    Loop& loop;
    std::function<void(core::UnitId, core::RunId)> emptied;
    InstanceCgroup instance;
    std::map<core::UnitId, Unit> units;
    std::map<Key, CgroupDir> left;  // none in it: process groups
    std::deque<core::UnitId> idle;
    std::optional<std::unordered_set<std::string>> there;  // folders, while runs are adopted
    RunTracker tracker;
    pid_t below = 0;  // see look_below()
    bool look_deferred = false;
    int looks_while_unsettled = 0;
    bool told_degraded = false;
    bool told_unseen = false;
    bool join_by_hand = false;
    bool abandoned = false;
    std::shared_ptr<int> alive = std::make_shared<int>();  // for what is deferred

    Impl(Loop& on, std::function<void(core::UnitId, core::RunId)> to, InstanceCgroup in);

    template <class Task>
    void defer(Task task) {
        loop.defer([task = std::move(task), still = std::weak_ptr{alive}] {
            if (!still.expired()) task();
        });
    }

    template <class Attempt>
    void try_again(Attempt attempt) {
        loop.try_again([attempt = std::move(attempt), still = std::weak_ptr{alive}] {
            return still.expired() || attempt();
        });
    }

    Unit* find(core::UnitId unit, core::RunId run);
    [[nodiscard]] bool is_empty(const Key& key, CgroupDir& cgroup);
    [[nodiscard]] std::vector<pid_t> pids(const Key& key, const CgroupDir& cgroup);
    void signal(const Key& key, const CgroupDir& cgroup, int signal, pid_t except);

    // Calls `each` with the key and cgroup of all that may have processes.
    template <class Each>
    void for_all(Each each) {
        for (auto& [id, unit] : units) {
            if (unit.entered) each(Key{id, unit.run}, unit.cgroup);
        }
        for (auto& [key, cgroup] : left) each(key, cgroup);
    }

    // ── folders ──

    void look_whether_born();
    [[nodiscard]] std::string path_of(const Unit& unit) const;
    void open_cgroup(Unit& unit, const std::string& name, core::RunId run);
    void find_cgroup(core::UnitId id, Unit& unit, const std::string& name, core::RunId run);
    void look_where(core::UnitId id, core::RunId run, const std::string& mark, pid_t pid);
    [[nodiscard]] std::vector<std::string> folders() const;  // of units and earlier runs, in ours
    [[nodiscard]] std::unordered_set<std::string> held() const;
    bool hold_left(const Key& key, const std::string& folder);  // false: not now
    void hold_left_or_try_again(const Key& key, const std::string& folder);
    void remove_folder(Unit& unit);
    void replace_killed(core::UnitId id, Unit& unit, const std::string& name, core::RunId run);

    // ── emptiness ──

    // The cgroup of a run, or of what is left of one, if somebody waits to hear that it is empty.
    CgroupDir* waited_for(const Key& key);
    // What cannot be watched or read now is asked for again, and said once.
    void watch_cgroup(const Key& key);
    bool try_to_watch(const Key& key);  // false: not now
    void look_at_cgroup(const Key& key);
    void unseen(const CgroupDir& cgroup, int error);
    void close_watch(Unit& unit);
    void announce(const Key& key);
    void watch_left(const Key& key, CgroupDir& cgroup);
    void look_at_left(const Key& key);
    void look_later();
    void look();
    void kill_by_hand(core::UnitId id, core::RunId run, int rounds);
    bool kill_round(core::UnitId id, core::RunId run);  // true: none is left
};

}  // namespace reeve::os
