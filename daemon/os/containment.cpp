#include "daemon/os/containment.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <deque>
#include <map>
#include <optional>
#include <system_error>
#include <unordered_set>

#include "daemon/os/cgroup_dir.hpp"
#include "daemon/os/cgroup_place.hpp"
#include "daemon/os/instance_cgroup.hpp"
#include "daemon/os/living.hpp"
#include "daemon/os/run_tracker.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

// Folders of runs that are over, kept for the next start: making one anew costs a restart a tenth
// of its time, keeping one costs the kernel 7 kB.
constexpr std::size_t idle_kept = 16;
constexpr int patience_for_exec = 100;  // looks
constexpr int kill_rounds = 50;         // of killing by hand, one a turn of the loop

}  // namespace

struct Containment::Impl {
    struct Unit {
        core::RunId run{};
        CgroupDir cgroup;                                  // none: process groups
        std::optional<std::uint64_t> oom_kills_before{0};  // none: noted at the folder
        bool watched = false;  // somebody waits to hear that it is empty
        bool entered = false;  // false: idle, kept for the next run
        bool killed = false;   // cgroup.kill was written to it
    };

    Loop& loop;
    std::function<void(core::UnitId, core::RunId)> emptied;
    InstanceCgroup instance;
    std::map<core::UnitId, Unit> units;
    std::map<RunTracker::Key, CgroupDir> left;  // none in it: process groups
    std::deque<core::UnitId> idle;
    std::optional<std::unordered_set<std::string>> there;  // folders, while runs are adopted
    RunTracker tracker;
    pid_t below = 0;  // see look_below()
    bool look_deferred = false;
    int looks_while_unsettled = 0;
    bool told_degraded = false;
    bool join_by_hand = false;
    bool abandoned = false;
    std::shared_ptr<int> alive = std::make_shared<int>();  // for what is deferred

    Impl(Loop& on, std::function<void(core::UnitId, core::RunId)> to, InstanceCgroup in)
        : loop{on}, emptied{std::move(to)}, instance{std::move(in)} {
        look_whether_born();
        if (tracker.is_blind())
            log::warn(
                "/proc is not mounted: only the process groups of what is started can be told and "
                "ended, and no main process of a forking service be found; mount it first");
    }

    void look_whether_born() {
        if (!instance || join_by_hand || instance.can_bear()) return;
        join_by_hand = true;
        log::warn(
            "processes cannot be born in a cgroup, as that of reeved was once killed by "
            "cgroup.kill; they join theirs by hand");
    }

    template <class Task>
    void defer(Task task) {
        loop.defer([task = std::move(task), still = std::weak_ptr{alive}] {
            if (!still.expired()) task();
        });
    }

    Unit* find(core::UnitId unit, core::RunId run) {
        const auto found = units.find(unit);
        if (found == units.end() || !found->second.entered) return nullptr;
        return found->second.run == run ? &found->second : nullptr;
    }

    [[nodiscard]] std::string path_of(const Unit& unit) const {
        return instance.path() + "/" + unit.cgroup.name();
    }

    void open_cgroup(Unit& unit, const std::string& name, core::RunId run) {
        if (!instance ||
            (unit.cgroup && unit.cgroup.thaw() && !unit.cgroup.read_events().populated)) {
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
    void find_cgroup(core::UnitId id, Unit& unit, const std::string& name, core::RunId run) {
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

    // Of all units and earlier runs, in our folder.
    [[nodiscard]] std::vector<std::string> folders() const {
        const posix::Fd own{::openat(instance.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        return subfolders(own.get());
    }

    [[nodiscard]] std::unordered_set<std::string> held() const {
        std::unordered_set<std::string> names;
        for (const auto& [id, unit] : units) {
            if (unit.cgroup) names.insert(unit.cgroup.name());
        }
        for (const auto& [key, cgroup] : left) {
            if (cgroup) names.insert(cgroup.name());
        }
        return names;
    }

    void hold_left(const RunTracker::Key& key, const std::string& folder) {
        try {
            CgroupDir cgroup{instance.get(), folder};
            cgroup.thaw();
            if (!cgroup.read_events().populated) return (void)remove_cgroup(instance.get(), folder);
            CgroupDir& kept = left[key] = std::move(cgroup);
            watch_left(key, kept);
        } catch (const std::system_error& e) {
            log::warn("cannot {}: what an earlier run left there is not seen", e.what());
        }
    }

    void close_watch(Unit& unit) {
        if (!std::exchange(unit.watched, false) || !unit.cgroup) return;
        loop.unwatch(unit.cgroup.events_fd());
        unit.cgroup.close_events();
    }

    void remove_folder(Unit& unit) {
        if (unit.cgroup) remove_cgroup(instance.get(), unit.cgroup.name());
        unit.cgroup = {};
    }

    // Linux since 6.15 kills at once what clone3 starts in a folder that cgroup.kill was ever
    // written to, if the parent sits in another: such a folder is of no use any more.
    void replace_killed(core::UnitId id, Unit& unit, const std::string& name, core::RunId run) {
        if (!unit.killed || unit.cgroup.read_events().populated) return;
        const bool watched = unit.watched;
        close_watch(unit);
        remove_folder(unit);
        unit.killed = false;
        open_cgroup(unit, name, run);
        if (!watched || !unit.cgroup) return;
        unit.watched = true;
        watch_cgroup(id, unit);
    }

    void announce(core::UnitId id, core::RunId run) {
        Unit* const unit = find(id, run);
        if (unit == nullptr || !unit->watched) return;
        close_watch(*unit);
        emptied(id, run);
    }

    [[nodiscard]] bool is_empty(const RunTracker::Key& key, CgroupDir& cgroup) {
        if (cgroup) return !cgroup.read_events().populated;
        return !tracker.has_known(key) && tracker.members(key).empty() && tracker.is_settled();
    }

    [[nodiscard]] std::vector<pid_t> pids(const RunTracker::Key& key, const CgroupDir& cgroup) {
        if (cgroup) return cgroup.members();
        std::vector<pid_t> found;
        for (const ProcessId& each : tracker.members(key)) found.push_back(each.pid);
        return found;
    }

    void signal(const RunTracker::Key& key, const CgroupDir& cgroup, int signal, pid_t except) {
        if (cgroup) return cgroup.signal(signal, except);
        for (const ProcessId& each : tracker.members(key)) {
            if (each.pid != except) send_signal(each, signal);
        }
    }

    // Calls `each` with the key and cgroup of all that may have processes.
    template <class Each>
    void for_all(Each each) {
        for (auto& [id, unit] : units) {
            if (unit.entered) each(RunTracker::Key{id, unit.run}, unit.cgroup);
        }
        for (auto& [key, cgroup] : left) each(key, cgroup);
    }

    void watch_left(const RunTracker::Key& key, CgroupDir& cgroup) {
        if (!cgroup) return look_later();
        loop.watch(
            cgroup.events_fd(), EPOLLPRI, [this, key](std::uint32_t) { look_at_left(key); },
            "cgroup");
        defer([this, key] { look_at_left(key); });
    }

    void look_at_left(const RunTracker::Key& key) {
        const auto found = left.find(key);
        if (found == left.end() || !is_empty(key, found->second)) return;
        CgroupDir cgroup = std::move(found->second);
        left.erase(found);
        if (cgroup) {
            loop.unwatch(cgroup.events_fd());
            remove_cgroup(instance.get(), cgroup.name());
        } else {
            tracker.remove(key);
        }
        emptied(key.first, key.second);
    }

    void watch_cgroup(core::UnitId id, Unit& unit) {
        const core::RunId run = unit.run;
        loop.watch(
            unit.cgroup.events_fd(), EPOLLPRI,
            [this, id, run](std::uint32_t) {
                Unit* const now = find(id, run);
                if (now != nullptr && !now->cgroup.read_events().populated) announce(id, run);
            },
            "cgroup");
        // After the watch, so that no change falls between.
        if (!unit.cgroup.read_events().populated) defer([this, id, run] { announce(id, run); });
    }

    void look_later() {
        if (std::exchange(look_deferred, true)) return;
        defer([this] { look(); });
    }

    // Without cgroups nobody tells; so after each end of a child those that are waited for.
    void look() {
        look_deferred = false;
        std::vector<RunTracker::Key> empty;
        for (const auto& [id, unit] : units) {
            if (!unit.watched || unit.cgroup) continue;
            const RunTracker::Key key{id, unit.run};
            if (!tracker.has_known(key) && tracker.members(key).empty()) empty.push_back(key);
        }
        if (!empty.empty() && !tracker.is_settled() &&
            ++looks_while_unsettled < patience_for_exec) {
            look_later();
            return;
        }
        looks_while_unsettled = 0;
        for (const auto& [id, run] : empty) announce(id, run);
        std::vector<RunTracker::Key> keys;
        for (const auto& [key, cgroup] : left) {
            if (!cgroup) keys.push_back(key);
        }
        for (const RunTracker::Key& key : keys) look_at_left(key);
    }

    void kill_by_hand(core::UnitId id, core::RunId run, int rounds) {
        Unit* const unit = find(id, run);
        if (unit == nullptr) return;
        if (rounds == 0) {
            log::warn("run {}: some of its processes do not die", static_cast<std::uint64_t>(run));
            return;
        }
        if (unit->cgroup) {
            unit->cgroup.freeze_and_kill();
            if (!unit->cgroup.read_events().populated) return;
        } else {
            // Stopped first, so that they cannot make more while the others are killed.
            const auto members = tracker.members({id, run});
            if (members.empty() && tracker.is_settled()) return look_later();
            for (const ProcessId& each : members) send_signal(each, SIGSTOP);
            for (const ProcessId& each : members) send_signal(each, SIGKILL);
            if (tracker.is_blind()) return;  // a group gets it as a whole
        }
        defer([this, id, run, rounds] { kill_by_hand(id, run, rounds - 1); });
    }
};

Containment::Containment(Loop& loop, const std::string& instance,
                         std::function<void(core::UnitId, core::RunId)> emptied, bool use_cgroups)
    : impl_{std::make_unique<Impl>(
          loop, std::move(emptied),
          use_cgroups ? InstanceCgroup::make(instance) : InstanceCgroup::none("as asked"))} {}

Containment::~Containment() {
    for (auto& [id, unit] : impl_->units) {
        impl_->close_watch(unit);
        if (!impl_->abandoned) impl_->remove_folder(unit);
    }
    for (auto& [key, cgroup] : impl_->left) {
        if (!cgroup) continue;
        impl_->loop.unwatch(cgroup.events_fd());
        if (!impl_->abandoned) remove_cgroup(impl_->instance.get(), cgroup.name());
    }
    if (impl_->abandoned) impl_->instance.abandon();
}

void Containment::abandon() noexcept {
    impl_->abandoned = true;
}

void Containment::look_below(pid_t root) {
    impl_->below = root;
    impl_->tracker.look_below(root);
}

bool Containment::has_cgroups() const noexcept {
    return static_cast<bool>(impl_->instance);
}

std::string Containment::describe() const {
    return impl_->instance.describe();
}

int Containment::enter(core::UnitId unit, std::string_view name, core::RunId run,
                       std::string_view mark) {
    Impl& m = *impl_;
    Impl::Unit& entry = m.units[unit];
    if (entry.entered && entry.run == run) {
        m.replace_killed(unit, entry, escape_cgroup_name(name), run);
        if (entry.cgroup) entry.cgroup.thaw();
        return entry.cgroup.get();
    }
    if (entry.entered) leave(unit);
    std::erase(m.idle, unit);
    m.open_cgroup(entry, escape_cgroup_name(name), run);
    entry.run = run;
    entry.entered = true;
    if (entry.cgroup) {
        entry.oom_kills_before = entry.cgroup.oom_kills();
        if (entry.oom_kills_before != 0) entry.cgroup.set_note(*entry.oom_kills_before);
    } else {
        m.tracker.add({unit, run}, mark);
    }
    return entry.cgroup.get();
}

int Containment::adopt(core::UnitId unit, std::string_view name, core::RunId run,
                       std::string_view mark) {
    Impl& m = *impl_;
    leave(unit);
    std::erase(m.idle, unit);
    Impl::Unit& entry = m.units[unit] = {};
    m.find_cgroup(unit, entry, escape_cgroup_name(name), run);
    entry.run = run;
    entry.entered = true;
    if (!entry.cgroup) m.tracker.add({unit, run}, mark, 0);
    return entry.cgroup.get();
}

void Containment::adopt_rest(const std::vector<std::pair<core::UnitId, std::string>>& units) {
    Impl& m = *impl_;
    if (!m.instance) return;
    const auto by_folder = folders_of(units);
    m.there.reset();
    const auto held = m.held();
    for (const std::string& name : m.folders()) {
        const RunFolder meant{name};
        const auto unit = by_folder.find(meant.unit);
        if (unit == by_folder.end() || held.contains(name)) continue;
        m.hold_left({unit->second, meant.run}, name);
    }
}

std::vector<Living> Containment::living(
    const std::vector<std::pair<core::UnitId, std::string>>& units) const {
    const Impl& m = *impl_;
    return m.instance ? living_in_folders(m.instance.get(), units)
                      : living_with_marks(m.below, units);
}

void Containment::joined(core::UnitId unit, core::RunId run, pid_t pid) {
    Impl::Unit* const entry = impl_->find(unit, run);
    if (entry != nullptr && !entry->cgroup && pid > 0) impl_->tracker.remember({unit, run}, pid);
}

void Containment::watch_empty(core::UnitId unit, core::RunId run) {
    Impl::Unit* const entry = impl_->find(unit, run);
    if (entry == nullptr || entry->watched) return;
    entry->watched = true;
    if (entry->cgroup) {
        impl_->watch_cgroup(unit, *entry);
    } else {
        impl_->look_later();
    }
}

void Containment::leave(core::UnitId unit) {
    Impl& m = *impl_;
    const auto found = m.units.find(unit);
    if (found == m.units.end() || !found->second.entered) return;
    m.close_watch(found->second);
    m.tracker.remove({unit, found->second.run});
    found->second.entered = false;
    if (std::exchange(found->second.killed, false)) m.remove_folder(found->second);
    m.idle.push_back(unit);
    if (m.idle.size() <= idle_kept) return;
    const auto oldest = m.units.find(m.idle.front());
    m.idle.pop_front();
    m.remove_folder(oldest->second);
    m.units.erase(oldest);
}

bool Containment::join_by_hand() const noexcept {
    return impl_->join_by_hand;
}

void Containment::killed_at_birth() {
    impl_->look_whether_born();
}

void Containment::leave_behind(core::UnitId unit) {
    Impl& m = *impl_;
    const auto found = m.units.find(unit);
    if (found == m.units.end() || !found->second.entered) return;
    const RunTracker::Key key{unit, found->second.run};
    if (m.is_empty(key, found->second.cgroup)) return leave(unit);
    m.close_watch(found->second);
    CgroupDir& cgroup = m.left[key] = std::move(found->second.cgroup);
    m.units.erase(found);
    m.watch_left(key, cgroup);
}

std::vector<pid_t> Containment::left_behind(core::UnitId unit) const {
    std::vector<pid_t> all;
    for (const auto& [key, cgroup] : impl_->left) {
        if (key.first != unit) continue;
        for (const pid_t pid : impl_->pids(key, cgroup)) all.push_back(pid);
    }
    return all;
}

void Containment::signal_everything(int signal) {
    impl_->for_all([&](const RunTracker::Key& key, CgroupDir& cgroup) {
        if (signal == SIGKILL && cgroup && cgroup.kill()) return;
        impl_->signal(key, cgroup, signal, 0);
    });
}

bool Containment::is_all_empty() const {
    bool empty = true;
    impl_->for_all([&](const RunTracker::Key& key, CgroupDir& cgroup) {
        empty = empty && impl_->is_empty(key, cgroup);
    });
    return empty;
}

void Containment::kill_all(core::UnitId unit, core::RunId run) {
    Impl::Unit* const entry = impl_->find(unit, run);
    if (entry == nullptr) return;
    if (entry->cgroup && entry->cgroup.kill()) {
        entry->killed = true;
        return;
    }
    impl_->kill_by_hand(unit, run, kill_rounds);
}

void Containment::signal_all(core::UnitId unit, core::RunId run, int signal, pid_t except) {
    Impl::Unit* const entry = impl_->find(unit, run);
    if (entry == nullptr) return;
    impl_->signal({unit, run}, entry->cgroup, signal, except);
}

bool Containment::is_empty(core::UnitId unit, core::RunId run) const {
    Impl::Unit* const entry = impl_->find(unit, run);
    return entry == nullptr || impl_->is_empty({unit, run}, entry->cgroup);
}

std::vector<pid_t> Containment::members(core::UnitId unit, core::RunId run) const {
    Impl::Unit* const entry = impl_->find(unit, run);
    return entry == nullptr ? std::vector<pid_t>{} : impl_->pids({unit, run}, entry->cgroup);
}

bool Containment::contains(core::UnitId unit, core::RunId run, pid_t pid) const {
    Impl::Unit* const entry = impl_->find(unit, run);
    if (entry == nullptr) return false;
    if (entry->cgroup) return in_cgroup(pid, impl_->path_of(*entry));
    return impl_->tracker.claim({unit, run}, pid);
}

bool Containment::oom_killed(core::UnitId unit) const {
    const auto found = impl_->units.find(unit);
    if (found == impl_->units.end() || !found->second.cgroup) return false;
    const auto& before = found->second.oom_kills_before;
    const CgroupDir& cgroup = found->second.cgroup;
    return cgroup.oom_kills() > (before ? *before : cgroup.note());
}

void Containment::after_reap() {
    const auto waited_for = [](const auto& entry) {
        return entry.second.watched && !entry.second.cgroup;
    };
    const auto groups_left = [](const auto& entry) { return !entry.second; };
    if (std::any_of(impl_->units.begin(), impl_->units.end(), waited_for) ||
        std::any_of(impl_->left.begin(), impl_->left.end(), groups_left)) {
        impl_->look_later();
    }
}

}  // namespace reeve::os
