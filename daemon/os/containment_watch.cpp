// When a run is empty, and how it becomes so.
#include <signal.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "daemon/os/containment_impl.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

constexpr int patience_for_exec = 100;  // looks

}  // namespace

// ── those with a cgroup ────────────────────────────────────────────────────────────────────────

CgroupDir* Containment::Impl::waited_for(const Key& key) {
    if (Unit* const unit = find(key.first, key.second))
        return unit->watched && unit->cgroup ? &unit->cgroup : nullptr;
    const auto found = left.find(key);
    return found != left.end() && found->second ? &found->second : nullptr;
}

void Containment::Impl::watch_cgroup(const Key& key) {
    if (!try_to_watch(key)) try_again([this, key] { return try_to_watch(key); });
}

bool Containment::Impl::try_to_watch(const Key& key) {
    CgroupDir* const cgroup = waited_for(key);
    if (cgroup == nullptr) return true;
    const int fd = cgroup->events_fd();
    const bool is_gone = fd == -1 && (errno == ENOENT || errno == ENODEV);
    if (fd == -1 && !is_gone) {
        unseen(*cgroup, errno);
        return false;
    }
    if (!is_gone)
        loop.watch(
            fd, EPOLLPRI, [this, key](std::uint32_t) { look_at_cgroup(key); }, "cgroup");
    // After the watch, so that no change falls between.
    const auto events = cgroup->read_events();
    if (events.error != 0) {
        unseen(*cgroup, events.error);
        loop.unwatch(fd);
        return false;
    }
    told_unseen = false;
    if (!events.populated) defer([this, key] { announce(key); });
    return true;
}

// Unread, the change would wake us again at once: it is looked for after a while.
void Containment::Impl::look_at_cgroup(const Key& key) {
    CgroupDir* const cgroup = waited_for(key);
    if (cgroup == nullptr) return;
    const auto events = cgroup->read_events();
    if (events.error != 0) {
        unseen(*cgroup, events.error);
        loop.unwatch(cgroup->events_fd());
        return try_again([this, key] { return try_to_watch(key); });
    }
    if (!events.populated) announce(key);
}

void Containment::Impl::unseen(const CgroupDir& cgroup, int error) {
    if (std::exchange(told_unseen, true)) return;
    log::warn("cgroup {}: cannot see whether it is empty: {}; tried again until it can be seen",
              cgroup.name(), std::strerror(error));
}

void Containment::Impl::close_watch(Unit& unit) {
    if (!std::exchange(unit.watched, false) || !unit.cgroup) return;
    unit.cgroup.close_events([this](int fd) { loop.unwatch(fd); });
}

void Containment::Impl::announce(const Key& key) {
    Unit* const unit = find(key.first, key.second);
    if (unit == nullptr) return look_at_left(key);
    if (!unit->watched) return;
    close_watch(*unit);
    emptied(key.first, key.second);
}

// ── what earlier runs left ─────────────────────────────────────────────────────────────────────

void Containment::Impl::watch_left(const Key& key, CgroupDir& cgroup) {
    if (cgroup)
        watch_cgroup(key);
    else
        look_later();
}

void Containment::Impl::look_at_left(const Key& key) {
    const auto found = left.find(key);
    if (found == left.end() || !is_empty(key, found->second)) return;
    CgroupDir cgroup = std::move(found->second);
    left.erase(found);
    if (cgroup) {
        cgroup.close_events([this](int fd) { loop.unwatch(fd); });
        remove_cgroup(instance.get(), cgroup.name());
    } else {
        tracker.remove(key);
    }
    if (key.first != nobody) emptied(key.first, key.second);
}

// ── those without ──────────────────────────────────────────────────────────────────────────────

void Containment::Impl::look_later() {
    if (std::exchange(look_deferred, true)) return;
    defer([this] { look(); });
}

// Without cgroups nobody tells; so after each end of a child those that are waited for.
void Containment::Impl::look() {
    look_deferred = false;
    std::vector<Key> empty;
    for (const auto& [id, unit] : units) {
        if (!unit.watched || unit.cgroup) continue;
        const Key key{id, unit.run};
        if (!tracker.has_known(key) && tracker.members(key).empty()) empty.push_back(key);
    }
    if (!empty.empty() && !tracker.is_settled() && ++looks_while_unsettled < patience_for_exec) {
        look_later();
        return;
    }
    looks_while_unsettled = 0;
    for (const Key& key : empty) announce(key);
    std::vector<Key> keys;
    for (const auto& [key, cgroup] : left) {
        if (!cgroup) keys.push_back(key);
    }
    for (const Key& key : keys) look_at_left(key);
}

// ── where the kernel cannot kill a cgroup ──────────────────────────────────────────────────────

bool Containment::Impl::kill_round(core::UnitId id, core::RunId run) {
    Unit* const unit = find(id, run);
    if (unit == nullptr) return true;
    if (unit->cgroup) {
        if (unit->cgroup.kill()) {  // it was for want of a descriptor
            unit->killed = true;
            return true;
        }
        unit->cgroup.freeze_and_kill();
        return !unit->cgroup.read_events().populated;
    }
    // Stopped first, so that they cannot make more while the others are killed.
    const auto members = tracker.members({id, run});
    if (members.empty() && tracker.is_settled()) {
        look_later();
        return true;
    }
    for (const ProcessId& each : members) send_signal(each, SIGSTOP);
    for (const ProcessId& each : members) send_signal(each, SIGKILL);
    return tracker.is_blind();  // a group gets it as a whole
}

void Containment::Impl::kill_by_hand(core::UnitId id, core::RunId run, int rounds) {
    if (kill_round(id, run)) return;
    if (rounds > 0) return defer([this, id, run, rounds] { kill_by_hand(id, run, rounds - 1); });
    log::warn("run {}: some of its processes do not die; tried again until they do",
              static_cast<std::uint64_t>(run));
    try_again([this, id, run] { return kill_round(id, run); });
}

}  // namespace reeve::os
