#include "daemon/os/containment.hpp"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "daemon/os/cgroup_place.hpp"
#include "daemon/os/containment_impl.hpp"
#include "daemon/os/living.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

// Folders of runs that are over, kept for the next start: making one anew costs a restart a tenth
// of its time, keeping one costs the kernel 7 kB.
constexpr std::size_t idle_kept = 16;
constexpr int kill_rounds = 50;  // of killing by hand, one a turn of the loop

}  // namespace

Containment::Impl::Impl(Loop& on, std::function<void(core::UnitId, core::RunId)> to,
                        InstanceCgroup in)
    : loop{on}, emptied{std::move(to)}, instance{std::move(in)} {
    look_whether_born();
    if (tracker.is_blind())
        log::warn(
            "/proc is not mounted: only the process groups of what is started can be told and "
            "ended, and no main process of a forking service be found; mount it first");
}

Containment::Impl::Unit* Containment::Impl::find(core::UnitId unit, core::RunId run) {
    const auto found = units.find(unit);
    if (found == units.end() || !found->second.entered) return nullptr;
    return found->second.run == run ? &found->second : nullptr;
}

bool Containment::Impl::is_empty(const Key& key, CgroupDir& cgroup) {
    if (cgroup) return !cgroup.read_events().populated;
    return !tracker.has_known(key) && tracker.members(key).empty() && tracker.is_settled();
}

std::vector<pid_t> Containment::Impl::pids(const Key& key, const CgroupDir& cgroup) {
    if (cgroup) return cgroup.members();
    std::vector<pid_t> found;
    for (const ProcessId& each : tracker.members(key)) found.push_back(each.pid);
    return found;
}

void Containment::Impl::signal(const Key& key, const CgroupDir& cgroup, int signal, pid_t except) {
    if (cgroup) return cgroup.signal(signal, except);
    for (const ProcessId& each : tracker.members(key)) {
        if (each.pid != except) send_signal(each, signal);
    }
}

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
        cgroup.close_events([this](int fd) { impl_->loop.unwatch(fd); });
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

void Containment::adopted(core::UnitId unit, core::RunId run, std::string_view mark, pid_t pid) {
    impl_->defer([m = impl_.get(), unit, run, mark = std::string{mark}, pid] {
        m->look_where(unit, run, mark, pid);
    });
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
        const RunTracker::Key key{unit->second, meant.run};
        m.hold_left_or_try_again(key, name);
    }
}

std::vector<Living> Containment::living(
    const std::vector<std::pair<core::UnitId, std::string>>& units) const {
    const Impl& m = *impl_;
    return m.instance ? living_in_folders(m.instance.get(), units)
                      : living_with_marks(m.below, units);
}

std::set<std::string> Containment::living_names() const {
    const Impl& m = *impl_;
    return m.instance ? names_in_folders(m.instance.get()) : names_with_marks(m.below);
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
        impl_->watch_cgroup({unit, run});
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
    found->second.former = {};
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

void Containment::hold_the_rest() {
    Impl& m = *impl_;
    std::uint64_t number = 0;
    const auto next_key = [&] {
        while (m.left.contains({Impl::nobody, core::RunId{++number}})) {
        }
        return Impl::Key{Impl::nobody, core::RunId{number}};
    };
    if (m.instance) {
        const auto held = m.held();
        for (const std::string& name : m.folders())
            if (!held.contains(name)) m.hold_left_or_try_again(next_key(), name);
        return;
    }
    for (const std::string& mark : marks_below(m.below)) {
        if (m.tracker.knows(mark)) continue;
        const Impl::Key key = next_key();
        m.tracker.add(key, mark, 0);
        m.watch_left(key, m.left[key]);
    }
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
