// Which folder a run has.
#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "daemon/os/containment_impl.hpp"
#include "daemon/os/process_stat.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

void Containment::Impl::look_whether_born() {
    if (!instance || join_by_hand || instance.can_bear()) return;
    join_by_hand = true;
    log::warn(
        "processes cannot be born in a cgroup, as that of reeved was once killed by "
        "cgroup.kill; they join theirs by hand");
}

std::string Containment::Impl::path_of(const Unit& unit) const {
    return instance.path() + "/" + unit.cgroup.name();
}

void Containment::Impl::open_cgroup(Unit& unit, const std::string& name, core::RunId run) {
    if (!instance || (unit.cgroup && unit.cgroup.thaw() && !unit.cgroup.read_events().populated)) {
        return;
    }
    try {
        CgroupDir fresh{instance.get(), name};
        // What an earlier run left behind (kill-mode none) is not of this run.
        if (!fresh.made() && fresh.read_events().populated) {
            const auto number = std::to_string(static_cast<std::uint64_t>(run));
            fresh = CgroupDir{instance.get(), name + "+" + number};
        }
        if (!fresh.made()) fresh.thaw();
        unit.cgroup = std::move(fresh);
    } catch (const std::system_error& e) {
        unit.cgroup = {};
        if (std::exchange(told_degraded, true)) return;
        log::warn("cannot {}: units without a cgroup of their own are held by process groups",
                  e.what());
    }
}

// The folder that a manager before us made for the run: see open_cgroup(). Services have nobody
// meanwhile, so what can wait is left for later: to thaw it, to read its note.
void Containment::Impl::find_cgroup(core::UnitId id, Unit& unit, const std::string& name,
                                    core::RunId run) {
    if (!instance) return;
    if (!there) {
        const auto names = folders();
        there.emplace(names.begin(), names.end());
    }
    const auto own = name + "+" + std::to_string(static_cast<std::uint64_t>(run));
    const std::string& folder = there->contains(own) ? own : name;
    try {
        if (there->contains(folder)) unit.cgroup = CgroupDir::open(instance.get(), folder);
        if (!unit.cgroup) unit.cgroup = CgroupDir{instance.get(), folder};
        unit.killed = !unit.cgroup.made();  // perhaps it was, which cannot be seen
        unit.oom_kills_before.reset();
        defer([this, id, run] {
            if (Unit* const now = find(id, run); now && now->cgroup) now->cgroup.thaw();
        });
    } catch (const std::system_error& e) {
        log::warn("cannot {}: its processes are told by their mark", e.what());
    }
}

void Containment::Impl::look_where(core::UnitId id, core::RunId run, const std::string& mark,
                                   pid_t pid) {
    Unit* const unit = find(id, run);
    if (unit == nullptr || !unit->cgroup || unit->cgroup.read_events().populated) return;
    const auto stat = read_process_stat(pid);
    if (!stat || stat->ended()) return;
    log::warn("process {} is not in cgroup {}: its unit is held by process groups", pid,
              unit->cgroup.name());
    const bool watched = unit->watched;
    close_watch(*unit);
    unit->former = std::exchange(unit->cgroup, {});
    tracker.add({id, run}, mark, 0);
    tracker.remember({id, run}, pid);
    unit->watched = watched;
    if (watched) look_later();
}

std::vector<std::string> Containment::Impl::folders() const {
    const posix::Fd own{::openat(instance.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return subfolders(own.get());
}

std::unordered_set<std::string> Containment::Impl::held() const {
    std::unordered_set<std::string> names;
    for (const auto& [id, unit] : units) {
        if (unit.cgroup) names.insert(unit.cgroup.name());
    }
    for (const auto& [key, cgroup] : left) {
        if (cgroup) names.insert(cgroup.name());
    }
    return names;
}

bool Containment::Impl::hold_left(const Key& key, const std::string& folder) {
    try {
        CgroupDir cgroup{instance.get(), folder};
        cgroup.thaw();
        if (!cgroup.read_events().populated) {
            remove_cgroup(instance.get(), folder);
            return true;
        }
        CgroupDir& kept = left[key] = std::move(cgroup);
        watch_left(key, kept);
        return true;
    } catch (const std::system_error& e) {
        if (!std::exchange(told_unseen, true))
            log::warn("cannot {}: what an earlier run left there is not seen yet", e.what());
        return false;
    }
}

void Containment::Impl::hold_left_or_try_again(const Key& key, const std::string& folder) {
    if (hold_left(key, folder)) return;
    try_again([this, key, folder] { return held().contains(folder) || hold_left(key, folder); });
}

void Containment::Impl::remove_folder(Unit& unit) {
    if (unit.cgroup) remove_cgroup(instance.get(), unit.cgroup.name());
    unit.cgroup = {};
}

// Linux since 6.15 kills at once what clone3 starts in a folder that cgroup.kill was ever
// written to, if the parent sits in another: such a folder is of no use any more.
void Containment::Impl::replace_killed(core::UnitId id, Unit& unit, const std::string& name,
                                       core::RunId run) {
    if (!unit.killed || unit.cgroup.read_events().populated) return;
    const bool watched = unit.watched;
    close_watch(unit);
    remove_folder(unit);
    unit.killed = false;
    open_cgroup(unit, name, run);
    if (!watched) return;
    unit.watched = true;
    if (unit.cgroup)
        watch_cgroup({id, run});
    else
        look_later();
}

}  // namespace reeve::os
