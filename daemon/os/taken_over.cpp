#include "daemon/os/taken_over.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "daemon/os/process_stat.hpp"
#include "daemon/os/process_tree.hpp"
#include "daemon/os/retries.hpp"
#include "daemon/os/spawn_stage.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::os {

using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s;  // with a keeper that has a process to reap and does not
constexpr auto first_look = 1ms, last_look = 500ms;

bool is_readable(int fd) noexcept {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
}

SpawnStage stage_in(state::Slot& slot) noexcept {
    return static_cast<SpawnStage>(std::atomic_ref{slot.stage}.load());
}

}  // namespace

struct TakenOver::Impl {
    struct Entry {
        posix::Fd pidfd;       // none: there were too few descriptors, or it has ended
        bool started = false;  // told to have become its program
        bool unsure = false;   // it could not be seen whether it is the one
        std::optional<core::TimePoint> ended_at;  // seen to have ended
    };

    Loop& loop;
    Slots& slots;
    Tell tell;
    std::unordered_map<state::Slot*, Entry> entries;
    std::vector<state::Slot*> restless;  // nothing wakes us for them: to be looked at again
    posix::SourcePtr timer;
    std::chrono::nanoseconds wait{};
    bool looking = false;
    bool told_unwatched = false;

    Impl(Loop& on, Slots& in, Tell to) : loop{on}, slots{in}, tell{std::move(to)} {
        sd_event_source* source = nullptr;
        posix::check_sd(sd_event_add_time(
                            loop.get(), &source, CLOCK_MONOTONIC, UINT64_MAX, 100,
                            [](sd_event_source*, std::uint64_t, void* self) {
                                return posix::guarded("processes taken over", [&] {
                                    static_cast<Impl*>(self)->look_again();
                                });
                            },
                            this),
                        "add timer");
        timer.reset(source);
        posix::check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "add timer");
    }

    void arm(std::chrono::nanoseconds in) {
        wait = in;
        const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
            (Loop::now() + in).time_since_epoch());
        posix::check_sd(
            sd_event_source_set_time(timer.get(), static_cast<std::uint64_t>(at.count())),
            "set timer");
        posix::check_sd(sd_event_source_set_enabled(timer.get(), SD_EVENT_ONESHOT), "arm timer");
    }

    // Now, and then ever more seldom while nothing has come of it.
    void look_soon(state::Slot& slot) {
        if (std::find(restless.begin(), restless.end(), &slot) == restless.end())
            restless.push_back(&slot);
        if (!looking) arm(0ns);
    }

    void look_again() {
        looking = true;
        for (state::Slot* const slot : std::exchange(restless, {})) {
            if (entries.count(slot) != 0) look_at(*slot);
        }
        looking = false;
        if (restless.empty()) return;
        arm(std::clamp<std::chrono::nanoseconds>(wait * 2, first_look, last_look));
    }

    // Tells what there is to tell, and sees to it that somebody wakes us for the rest.
    void look_at(state::Slot& slot) {
        Entry& entry = entries.at(&slot);
        if (!entry.ended_at && exit_in(slot) == 0) {
            if (!entry.pidfd) open(slot, entry);
            if (!entry.ended_at) return look_at_living(slot, entry);
        }
        if (const auto status = status_of(slot, entry)) return ended(slot, *status);
        look_soon(slot);
    }

    void look_at_living(state::Slot& slot, Entry& entry) {
        if (entry.unsure && !is_still_it(slot, entry)) return look_soon(slot);
        const bool begins = !entry.started && has_executed(slot);
        entry.started = entry.started || begins;
        if (!entry.started || !entry.pidfd || entry.unsure) look_soon(slot);
        if (begins) tell.executed(slot);
    }

    static bool has_executed(state::Slot& slot) {
        const auto stat = read_process_stat(pid_in(slot));
        return stat && !stat->ended() && stat->executed();
    }

    // nullopt: the keeper is about to tell.
    std::optional<core::ExitStatus> status_of(state::Slot& slot, const Entry& entry) {
        const pid_t pid = pid_in(slot);
        if (const auto known = exit_in(slot)) return to_status(known);
        if (is_the_keepers(pid)) {
            if (Loop::now() - *entry.ended_at < patience) return std::nullopt;
            log::warn("the keeper does not tell how process {} ended", pid);
        }
        if (const auto known = exit_in(slot)) return to_status(known);  // meanwhile, and reaped
        if (const auto exit = slots.unplaced(pid, slot.start_time); exit && slot.start_time != 0)
            return to_status(*exit);
        core::ExitStatus status;
        status.unknown = true;
        return status;
    }

    // It waits to be reaped by the keeper, who stores before.
    [[nodiscard]] bool is_the_keepers(pid_t pid) const {
        const auto stat = read_process_stat(pid);
        if (!stat) return !is_no_process(errno) || !has_proc();
        return stat->ended() && static_cast<std::uint32_t>(stat->parent) == keeper();
    }
    [[nodiscard]] std::uint32_t keeper() const { return slots.header().keeper_pid; }

    void ended(state::Slot& slot, core::ExitStatus status) {
        const auto found = entries.find(&slot);
        const bool started = found->second.started;
        unwatch(found->second);
        entries.erase(found);
        store_exit(slot, status);
        if (!started) {
            if (error_in(slot) != 0 || stage_in(slot) != SpawnStage::exec)
                return tell.gave_up(slot);
            tell.executed(slot);
        }
        tell.ended(slot, status);
    }

    void unwatch(Entry& entry) {
        if (entry.pidfd) loop.unwatch(entry.pidfd.get());
        entry.pidfd = {};
    }

    void watch(state::Slot& slot, Entry& entry) {
        loop.watch(
            entry.pidfd.get(), EPOLLIN,
            [this, at = &slot](std::uint32_t) {
                Entry& now = entries.at(at);
                unwatch(now);
                now.ended_at = Loop::now();
                look_at(*at);
            },
            "process taken over");
    }

    // False: it is not there any more, or not who it was.
    bool open(state::Slot& slot, Entry& entry) {
        const pid_t pid = pid_in(slot);
        entry.pidfd = posix::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
        if (!entry.pidfd && is_shortage(errno)) {
            if (!std::exchange(told_unwatched, true))
                log::warn("cannot watch process {}: {}; tried again until it can be", pid,
                          std::strerror(errno));
            return true;
        }
        told_unwatched = false;
        if (entry.pidfd && !is_readable(entry.pidfd.get())) {
            watch(slot, entry);
            return true;
        }
        entry.pidfd = {};
        entry.ended_at = Loop::now();
        return false;
    }

    // Of one that could not be looked at. False: it is not, and counts as ended.
    bool is_still_it(state::Slot& slot, Entry& entry) {
        const auto stat = read_process_stat(pid_in(slot));
        if (!stat && !is_no_process(errno)) return true;
        entry.unsure = false;
        if (stat && stat->start_time == slot.start_time) return true;
        unwatch(entry);
        entry.ended_at = Loop::now();
        return false;
    }

    // The pidfd is open: what /proc says now is of that process, or the pidfd will be readable.
    [[nodiscard]] bool is_it(state::Slot& slot, const ProcessStat& stat,
                             const std::function<bool(pid_t)>& belongs) const {
        if (slot.start_time != 0) return slot.start_time == stat.start_time;
        const bool on_its_way =
            !stat.executed() && static_cast<std::uint32_t>(stat.parent) == keeper();
        if (!on_its_way && !belongs(pid_in(slot))) return false;
        slot.start_time = stat.start_time;
        return true;
    }

    Found find(state::Slot& slot, Entry& entry, const std::function<bool(pid_t)>& belongs) {
        if (exit_in(slot) != 0) return Found::ended;
        if (!open(slot, entry)) return exit_in(slot) != 0 ? Found::ended : Found::ending;
        const auto stat = read_process_stat(pid_in(slot));
        if (!stat && (!is_no_process(errno) || !has_proc())) {
            entry.unsure = slot.start_time != 0 && has_proc();
            return entry.started ? Found::running : Found::before_exec;
        }
        if (!stat || !is_it(slot, *stat, belongs)) {
            unwatch(entry);
            entry.ended_at = Loop::now();
            return exit_in(slot) != 0 ? Found::ended : Found::ending;
        }
        const bool executed = slot.use == state::Use::main || stat->executed();
        return executed ? Found::running : Found::before_exec;
    }
};

TakenOver::TakenOver(Loop& loop, Slots& slots, Tell tell)
    : impl_{std::make_unique<Impl>(loop, slots, std::move(tell))} {}

TakenOver::~TakenOver() {
    for (auto& [slot, entry] : impl_->entries) impl_->unwatch(entry);
}

TakenOver::Found TakenOver::add(state::Slot& slot, bool started,
                                const std::function<bool(pid_t)>& belongs) {
    if (pid_in(slot) == 0) return Found::never_begun;
    Impl::Entry& entry = impl_->entries[&slot];
    entry = {};
    entry.started = started || slot.use == state::Use::main;
    const Found found = impl_->find(slot, entry, belongs);
    if (found != Found::running || !entry.started || !entry.pidfd || entry.unsure)
        impl_->look_soon(slot);
    return found;
}

void TakenOver::follow(state::Slot& slot, posix::Fd pidfd) {
    Impl::Entry& entry = impl_->entries[&slot];
    entry = {};
    entry.started = true;
    entry.pidfd = std::move(pidfd);
    impl_->watch(slot, entry);
}

void TakenOver::forget(state::Slot& slot) {
    const auto found = impl_->entries.find(&slot);
    if (found == impl_->entries.end()) return;
    impl_->unwatch(found->second);
    impl_->entries.erase(found);
}

bool TakenOver::signal(state::Slot& slot, int signal) {
    const auto found = impl_->entries.find(&slot);
    return found != impl_->entries.end() && found->second.pidfd &&
           ::syscall(SYS_pidfd_send_signal, found->second.pidfd.get(), signal, nullptr, 0) == 0;
}

void TakenOver::exits_stored() {
    std::vector<state::Slot*> known;
    for (const auto& [slot, entry] : impl_->entries) {
        if (exit_in(*slot) != 0) known.push_back(slot);
    }
    std::sort(known.begin(), known.end());
    for (state::Slot* const slot : known) {
        if (impl_->entries.count(slot) != 0) impl_->look_at(*slot);
    }
}

}  // namespace reeve::os
