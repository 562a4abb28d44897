#include "daemon/os/run_tracker.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace reeve::os {

namespace {

std::uint64_t ticks_since_boot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto hz = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return static_cast<std::uint64_t>(now.tv_sec) * hz +
           static_cast<std::uint64_t>(now.tv_nsec) * hz / 1'000'000'000;
}

}  // namespace

void RunTracker::add(Key run, std::string_view mark, std::optional<std::uint64_t> since) {
    runs_[run] = {std::string{mark}, since ? *since : ticks_since_boot()};
    by_mark_.insert_or_assign(std::string{mark}, run);
}

void RunTracker::remove(Key run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    by_mark_.erase(found->second.mark);
    runs_.erase(found);
    std::erase_if(known_, [&](const auto& entry) { return entry.second == run; });
    std::erase_if(groups_, [&](const auto& entry) { return entry.second == run; });
}

// When the keeper has died, what it was the parent of is below us no more.
void RunTracker::add_strayed(std::vector<ProcessInfo>& processes) const {
    std::set<ProcessId> seen;
    for (const ProcessInfo& each : processes) seen.insert(each.id);
    for (const auto& [id, run] : known_) {
        if (seen.contains(id)) continue;
        const ProcessInfo info = process_info(id.pid);
        if (info.id != id || info.zombie) continue;
        processes.push_back(info);
        for (const ProcessInfo& each : descendants(id.pid))
            if (seen.insert(each.id).second) processes.push_back(each);
    }
}

// Parents come before their children, so one pass passes a membership down.
void RunTracker::look() {
    settled_ = true;
    auto processes = descendants(root_);
    add_strayed(processes);
    const pid_t own_session = ::getsid(0);  // of those that are still between clone and setsid
    std::map<ProcessId, Key> found;
    std::map<pid_t, Key> by_pid;
    std::map<pid_t, Key> sessions;
    const auto take = [&](const ProcessInfo& info, Key run) {
        found.emplace(info.id, run);
        by_pid.emplace(info.id.pid, run);
        if (info.session != own_session) sessions.emplace(info.session, run);
    };
    std::vector<ProcessInfo> unsure;
    for (const ProcessInfo& info : processes) {
        if (const auto before = known_.find(info.id); before != known_.end()) {
            take(info, before->second);
        } else if (const auto parent = by_pid.find(info.parent); parent != by_pid.end()) {
            take(info, parent->second);  // before the mark: of a Reeve inside it is another's
        } else if (const auto mark = by_mark_.find(run_mark(info.id.pid)); mark != by_mark_.end()) {
            take(info, mark->second);
        } else {
            unsure.push_back(info);
        }
    }
    for (const ProcessInfo& info : unsure) {
        const auto session = sessions.find(info.session);
        if (session != sessions.end()) {
            take(info, Key{session->second});
        } else if (is_in_exec(info.id.pid)) {
            settled_ = false;
        }
    }
    known_ = std::move(found);
}

// Not asked again once it is empty: its number may be another's then.
std::vector<ProcessId> RunTracker::living_groups(Key run) {
    std::vector<ProcessId> living;
    for (auto at = groups_.begin(); at != groups_.end();) {
        if (at->second == run && ::kill(-at->first, 0) == -1 && errno == ESRCH) {
            at = groups_.erase(at);
            continue;
        }
        if (at->second == run) living.push_back({at->first, 0});
        ++at;
    }
    return living;
}

std::vector<ProcessId> RunTracker::members(Key run) {
    if (blind_) return living_groups(run);
    look();
    std::vector<ProcessId> ids;
    for (const auto& [id, of] : known_) {
        if (of == run) ids.push_back(id);
    }
    return ids;
}

bool RunTracker::has_known(Key run) {
    if (blind_) return !living_groups(run).empty();
    return std::any_of(known_.begin(), known_.end(), [&](const auto& entry) {
        if (entry.second != run) return false;
        const ProcessInfo info = process_info(entry.first.pid);
        return info.id == entry.first && !info.zombie;
    });
}

void RunTracker::remember(Key run, pid_t pid) {
    if (blind_) groups_.insert_or_assign(pid, run);
    const ProcessInfo info = process_info(pid);
    if (info.id.start != 0 && !info.zombie) known_.insert_or_assign(info.id, run);
}

bool RunTracker::claim(Key run, pid_t pid) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return false;
    look();
    const ProcessInfo info = process_info(pid);
    if (info.id.start == 0 || info.zombie) return false;
    if (const auto known = known_.find(info.id); known != known_.end()) {
        return known->second == run;
    }
    if (info.id.start < found->second.since || !run_mark(pid).empty()) return false;
    const auto all = descendants(root_);
    const bool ours = std::any_of(all.begin(), all.end(),
                                  [&](const ProcessInfo& each) { return each.id == info.id; });
    if (ours) known_.emplace(info.id, run);
    return ours;
}

}  // namespace reeve::os
