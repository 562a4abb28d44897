#include "daemon/os/children.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "daemon/os/process_stat.hpp"
#include "daemon/os/retries.hpp"
#include "daemon/os/spawn_threads.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

constexpr unsigned reaped_per_turn = 16;

using MainKey = std::pair<core::UnitId, core::RunId>;

posix::Fd pidfd_open(pid_t pid) noexcept {
    return posix::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
}

// 0: it is not there.
std::uint64_t start_time_of(pid_t pid) {
    const auto stat = read_process_stat(pid);
    return stat ? stat->start_time : 0;
}

bool send(const posix::Fd& pidfd, int signal) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

// Does not block. False: there is no such child.
bool wait_for(idtype_t which, pid_t pid, siginfo_t& info, int flags) noexcept {
    int got = 0;
    do got = ::waitid(which, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | flags);
    while (got == -1 && errno == EINTR);
    return got == 0;
}

core::ExitStatus status_in(const siginfo_t& info) noexcept {
    core::ExitStatus status;
    if (info.si_code == CLD_EXITED) {
        status.code = info.si_status;
    } else {
        status.signal = info.si_status;
        status.core_dumped = info.si_code == CLD_DUMPED;
    }
    return status;
}

std::string path_of(SpawnStage stage, const SpawnPlan& plan) {
    if (stage == SpawnStage::exec) return plan.argv.front();
    return stage == SpawnStage::chdir ? plan.directory : std::string{};
}

}  // namespace

bool ends_processes(int signal) noexcept {
    return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGQUIT ||
           signal == SIGABRT || signal == SIGHUP;
}

struct Children::Impl {
    struct Live {
        core::ProcessRef process;
        posix::Fd pidfd;
        state::Slot* slot = nullptr;
    };
    struct Pending {
        SpawnJob* job = nullptr;                // owned by the threads
        std::optional<core::ExitStatus> ended;  // it was reaped before its start was told
        bool killed = false;
    };
    struct Main {
        pid_t pid = 0;
        posix::Fd pidfd;  // none: it is among those taken over, or has ended
        state::Slot* slot = nullptr;
        bool unwatched = false;  // there was no descriptor for its pidfd yet
    };

    Loop& loop;
    std::function<void(const ChildNews&)> news;
    Slots* slots;
    std::unordered_map<pid_t, Live> live;    // started and not reaped
    std::map<core::ProcessRef, pid_t> pids;  // of `live`
    std::list<Pending> pending;              // in the order in which threads take them
    std::map<core::ProcessRef, std::list<Pending>::iterator> pending_by_process;
    std::unordered_set<pid_t> failed;  // gave up before exec, not reaped yet
    std::map<MainKey, Main> mains;
    std::map<core::ProcessRef, state::Slot*> adopted;  // started by a manager before us
    std::map<core::ProcessRef, state::Slot*> unbegun;  // to be started in the slots they have
    std::optional<TakenOver> taken_over;
    bool told_full = false;
    Stats stats;
    bool reap_deferred = false;
    std::shared_ptr<int> alive = std::make_shared<int>();  // for what is deferred
    SpawnThreads threads;                                  // last: its threads use nothing above

    Impl(Loop& on, std::function<void(const ChildNews&)> to, Slots* in)
        : loop{on},
          news{std::move(to)},
          slots{in},
          threads{on,
                  {[this](std::unique_ptr<SpawnJob> job) { spawned(std::move(job)); },
                   [this](const SpawnJob& job) {
                       news(SpawnHangs{job.process, job.plan.argv.front(), false});
                   }},
                  in != nullptr ? std::optional<rlim_t>{in->header().core_limit} : std::nullopt} {
        if (slots == nullptr) return;
        taken_over.emplace(loop, *slots,
                           TakenOver::Tell{[this](state::Slot& slot) { adopted_executed(slot); },
                                           [this](state::Slot& slot) { adopted_gave_up(slot); },
                                           [this](state::Slot& slot, core::ExitStatus status) {
                                               adopted_ended(slot, status);
                                           }});
    }

    // ── slots ──

    // Without a slot all goes well but for one thing: after our death nobody knows the process.
    state::Slot* said(state::Slot* slot) {
        if (slot == nullptr && slots != nullptr && !std::exchange(told_full, true)) {
            log::error("the state cannot grow: {}; some processes would be lost with reeved",
                       std::strerror(errno));
        }
        return slot;
    }

    state::Slot* take(core::ProcessRef process) {
        if (const auto found = unbegun.find(process); found != unbegun.end()) {
            state::Slot* const slot = found->second;
            unbegun.erase(found);
            return slot;
        }
        state::Slot* const slot = said(slots != nullptr ? slots->take(process) : nullptr);
        posix::crash_point(posix::CrashPoint::slot_taken);
        return slot;
    }

    state::Slot* take_main(const MainKey& key, pid_t pid) {
        if (slots == nullptr) return nullptr;
        return said(slots->take_main(key.first, key.second, pid, start_time_of(pid)));
    }

    void free(state::Slot* slot) {
        if (slot == nullptr) return;
        slots->give_back(*slot);
        posix::crash_point(posix::CrashPoint::slot_freed);
    }

    // How a child ended is stored before it is reaped: until then its pid is no other's.
    void store(pid_t pid, core::ExitStatus status) {
        if (slots == nullptr) return;
        if (const auto found = live.find(pid); found != live.end()) {
            if (found->second.slot != nullptr) store_exit(*found->second.slot, status);
        } else if (const Pending* const start = in_flight(pid)) {
            if (start->job->order.slot != nullptr) store_exit(*start->job->order.slot, status);
        }
        for (const auto& [key, main] : mains) {
            if (main.pid == pid && main.slot != nullptr) store_exit(*main.slot, status);
        }
    }

    // Nearly always the child could tell by itself.
    static void complete(state::Slot* slot) {
        if (slot == nullptr || std::atomic_ref{slot->start_time}.load() != 0) return;
        const auto stat = read_process_stat(pid_in(*slot));
        if (stat) std::atomic_ref{slot->start_time}.store(stat->start_time);
    }

    // ── children ──

    void spawned(std::unique_ptr<SpawnJob> job) {
        const auto found = pending_by_process.find(job->process);
        const Pending start = *found->second;
        pending.erase(found->second);
        pending_by_process.erase(found);
        if (job->hangs) news(SpawnHangs{job->process, job->plan.argv.front(), true});

        ChildOrder& order = job->order;
        const pid_t pid = order.pid();
        posix::Fd pidfd{order.pidfd};
        const bool shot = start.killed && job->hangs;  // in the exec that hung, or just after it
        if (order.error != 0 || shot) {
            if (pid > 0 && !start.ended) failed.insert(pid);
            const bool unborn = pid > 0 && order.stage == SpawnStage::clone;
            news(NotStarted{job->process, order.stage, order.error != 0 ? order.error : ECANCELED,
                            unborn, path_of(order.stage, job->plan)});
            free(order.slot);
            return;
        }
        ++stats.spawned;
        if (!start.ended) {
            complete(order.slot);
            live.insert_or_assign(pid, Live{job->process, std::move(pidfd), order.slot});
            pids[job->process] = pid;
        }
        news(Started{job->process});
        if (!start.ended) return;
        news(Ended{job->process, *start.ended});
        free(order.slot);
    }

    // Looks before it reaps: until then the pid can be nobody else's.
    void reap() {
        reap_deferred = false;
        for (unsigned i = 0; i < reaped_per_turn; ++i) {
            siginfo_t info{};
            if (!wait_for(P_ALL, 0, info, WNOWAIT)) return;
            if (info.si_pid == 0) return;
            const pid_t pid = info.si_pid;
            store(pid, status_in(info));
            posix::crash_point(posix::CrashPoint::exit_stored);
            if (!wait_for(P_PID, pid, info, 0)) return;
            posix::crash_point(posix::CrashPoint::reaped);
            ++stats.reaped;
            reaped(pid, status_in(info));
        }
        reap_later();
    }

    void reap_later() {
        if (std::exchange(reap_deferred, true)) return;
        loop.defer([this, still = std::weak_ptr{alive}] {
            if (!still.expired()) reap();
        });
    }

    void reaped(pid_t pid, core::ExitStatus status) {
        if (failed.erase(pid) != 0) return;
        bool known = false;
        if (const auto found = live.find(pid); found != live.end()) {
            const core::ProcessRef process = found->second.process;
            state::Slot* const slot = found->second.slot;
            live.erase(found);
            pids.erase(process);
            known = true;
            news(Ended{process, status});
            free(slot);
        } else if (Pending* const start = in_flight(pid)) {
            start->ended = status;
            known = true;
        }
        known = main_reaped(pid, status) || known;
        if (known) return;
        ++stats.orphans;
        news(OrphanReaped{pid});
    }

    // The kernel stores the pid into the order before the child runs, so whatever ends is found
    // here even if its thread has not come to tell.
    Pending* in_flight(pid_t pid) {
        for (Pending& start : pending) {
            if (!start.job->begun.load()) break;
            if (!start.ended && start.job->order.pid() == pid) return &start;
        }
        return nullptr;
    }

    bool main_reaped(pid_t pid, core::ExitStatus status) {
        std::vector<MainKey> ended;
        for (const auto& [key, main] : mains) {
            if (main.pid == pid) ended.push_back(key);
        }
        for (const MainKey& key : ended) main_ended(key, status);
        return !ended.empty();
    }

    void main_ended(const MainKey& key, core::ExitStatus status) {
        const auto found = mains.find(key);
        if (found == mains.end()) return;
        state::Slot* const slot = forget(found);
        news(MainEnded{key.first, key.second, status});
        free(slot);
    }

    // Gives the slot, which is to be freed.
    state::Slot* forget(std::map<MainKey, Main>::iterator main) {
        const posix::Fd pidfd = std::move(main->second.pidfd);
        if (pidfd) loop.unwatch(pidfd.get());
        state::Slot* const slot = main->second.slot;
        if (slot != nullptr) taken_over->forget(*slot);
        mains.erase(main);
        return slot;
    }

    void watch_main(const MainKey& key, posix::Fd pidfd) {
        Main& main = mains.at(key);
        main.unwatched = false;
        main.pidfd = std::move(pidfd);
        loop.watch(
            main.pidfd.get(), EPOLLIN, [this, key](std::uint32_t) { main_readable(key); },
            "main process");
    }

    // For want of a descriptor. By then the number may be another's.
    void watch_main_later(const MainKey& key, pid_t pid, int error) {
        mains.at(key).unwatched = true;
        log::warn("cannot watch process {}: {}; tried again until it can be", pid,
                  std::strerror(error));
        const auto since = start_time_of(pid);
        loop.try_again([this, key, pid, since, still = std::weak_ptr{alive}] {
            return still.expired() || !is_unwatched(key, pid) || try_to_watch_main(key, pid, since);
        });
    }

    [[nodiscard]] bool is_unwatched(const MainKey& key, pid_t pid) const {
        const auto found = mains.find(key);
        return found != mains.end() && found->second.unwatched && found->second.pid == pid;
    }

    bool try_to_watch_main(const MainKey& key, pid_t pid, std::uint64_t since) {
        posix::Fd pidfd = pidfd_open(pid);
        if (!pidfd && is_shortage(errno)) return false;
        if (pidfd && start_time_of(pid) == since) {
            watch_main(key, std::move(pidfd));
            return true;
        }
        core::ExitStatus status;
        status.unknown = true;
        main_ended(key, status);
        return true;
    }

    // Its pidfd tells that it has ended. A child of ours is left to reap(); of others the keeper
    // may tell us the status, or nobody.
    void main_readable(const MainKey& key) {
        const auto found = mains.find(key);
        if (found == mains.end()) return;
        siginfo_t info{};
        if (wait_for(P_PID, found->second.pid, info, WNOWAIT)) {
            loop.unwatch(found->second.pidfd.get());
            reap_later();
            return;
        }
        if (found->second.slot != nullptr) {
            loop.unwatch(found->second.pidfd.get());
            return taken_over->follow(*found->second.slot, std::move(found->second.pidfd));
        }
        core::ExitStatus status;
        status.unknown = true;
        main_ended(key, status);
    }

    bool signal_pending(core::ProcessRef process, int signal) {
        const auto found = pending_by_process.find(process);
        if (found == pending_by_process.end()) return false;
        Pending& start = *found->second;
        if (start.ended) return false;
        if (const pid_t pid = start.job->order.pid(); pid > 0) {
            if (signal == SIGKILL) start.killed = true;
            return ::kill(pid, signal) == 0;  // not reaped yet, so it is no other's
        }
        if (!ends_processes(signal)) return false;
        std::shared_ptr<SpawnJob> job{threads.cancel(*start.job)};
        if (!job) return false;
        pending.erase(found->second);
        pending_by_process.erase(found);
        loop.defer([this, job, still = std::weak_ptr{alive}] {
            if (still.expired()) return;
            news(NotStarted{job->process, SpawnStage::clone, ECANCELED, false, {}});
            free(job->order.slot);
        });
        return true;
    }

    // ── those of a manager before us ──

    void adopted_executed(state::Slot& slot) { news(Started{process_of(slot)}); }

    void adopted_gave_up(state::Slot& slot) {
        const auto stage = static_cast<SpawnStage>(slot.stage);
        const int error = slot.error != 0 ? slot.error : ECANCELED;
        adopted.erase(process_of(slot));
        news(NotStarted{process_of(slot), stage, error, stage == SpawnStage::clone, {}});
        free(&slot);
    }

    void adopted_ended(state::Slot& slot, core::ExitStatus status) {
        const core::ProcessRef process = process_of(slot);
        if (slot.use == state::Use::main) return main_ended({process.unit, process.run}, status);
        adopted.erase(process);
        news(Ended{process, status});
        free(&slot);
    }
};

Children::Children(Loop& loop, std::function<void(const ChildNews&)> news, Slots* slots) {
    // Ignored (that is inherited), it would make the kernel reap for us and keep the statuses; and
    // a child that is stopped is no news.
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP;
    posix::check(::sigaction(SIGCHLD, &action, nullptr), "reset SIGCHLD");
    posix::check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "become a subreaper");
    impl_ = std::make_unique<Impl>(loop, std::move(news), slots);
    loop.on_signal(SIGCHLD, [this] { impl_->reap(); });
    impl_->reap_later();  // what ended before
}

Children::~Children() {
    impl_->loop.on_signal(SIGCHLD, nullptr);
    for (const auto& [key, main] : impl_->mains) {
        if (main.pidfd) impl_->loop.unwatch(main.pidfd.get());
    }
}

void Children::start(core::ProcessRef process, SpawnPlan plan) {
    auto job = std::make_unique<SpawnJob>(process, std::move(plan));
    job->order.slot = impl_->take(process);
    impl_->pending.push_back({job.get(), std::nullopt, false});
    impl_->pending_by_process[process] = std::prev(impl_->pending.end());
    impl_->threads.add(std::move(job));
}

bool Children::signal(core::ProcessRef process, int signal) {
    const auto found = impl_->pids.find(process);
    if (found == impl_->pids.end()) {
        const auto other = impl_->adopted.find(process);
        if (other != impl_->adopted.end()) return impl_->taken_over->signal(*other->second, signal);
        return impl_->signal_pending(process, signal);
    }
    const posix::Fd& pidfd = impl_->live.at(found->second).pidfd;
    return pidfd ? send(pidfd, signal) : ::kill(found->second, signal) == 0;  // not reaped yet
}

bool Children::signal_group(core::ProcessRef process, int signal) {
    // Its leader is not reaped, so the number of the group is no other's.
    const pid_t leader = pid_of(process);
    return leader > 0 && ::kill(-leader, signal) == 0;
}

bool Children::watch_main(core::UnitId unit, core::RunId run, pid_t pid) {
    posix::Fd pidfd = pidfd_open(pid);
    const int error = pidfd ? 0 : errno;
    if (!pidfd && !is_shortage(error)) return false;
    forget_main(unit, run);
    const MainKey key{unit, run};
    impl_->mains[key] = {pid, {}, impl_->take_main(key, pid)};
    if (pidfd)
        impl_->watch_main(key, std::move(pidfd));
    else
        impl_->watch_main_later(key, pid, error);
    return true;
}

bool Children::signal_main(core::UnitId unit, core::RunId run, int signal) {
    const auto found = impl_->mains.find({unit, run});
    if (found == impl_->mains.end()) return false;
    const Impl::Main& main = found->second;
    if (main.pidfd) return send(main.pidfd, signal);
    if (main.unwatched) return ::kill(main.pid, signal) == 0;
    return main.slot != nullptr && impl_->taken_over->signal(*main.slot, signal);
}

void Children::forget_main(core::UnitId unit, core::RunId run) {
    const auto found = impl_->mains.find({unit, run});
    if (found != impl_->mains.end()) impl_->free(impl_->forget(found));
}

TakenOver::Found Children::adopt(state::Slot& slot, bool started,
                                 const std::function<bool(pid_t)>& belongs) {
    const core::ProcessRef process = process_of(slot);
    const auto found = impl_->taken_over->add(slot, started, belongs);
    if (found == TakenOver::Found::never_begun) {
        impl_->unbegun[process] = &slot;
    } else if (slot.use == state::Use::main) {
        impl_->mains[{process.unit, process.run}] = {pid_in(slot), {}, &slot};
    } else {
        impl_->adopted[process] = &slot;
    }
    return found;
}

bool Children::adopt(core::ProcessRef process, pid_t pid) {
    const auto stat = read_process_stat(pid);
    if (!stat) return false;
    state::Slot* const slot = impl_->take(process);
    if (slot == nullptr) return false;
    slot->start_time = stat->start_time;
    slot->stage = static_cast<std::uint16_t>(SpawnStage::exec);
    std::atomic_ref{slot->pid}.store(pid);
    adopt(*slot, true, [](pid_t) { return true; });
    return true;
}

void Children::exits_stored() {
    if (impl_->taken_over) impl_->taken_over->exits_stored();
}

pid_t Children::pid_of(core::ProcessRef process) const {
    if (const auto found = impl_->pids.find(process); found != impl_->pids.end()) {
        return found->second;
    }
    if (const auto found = impl_->adopted.find(process); found != impl_->adopted.end()) {
        return exit_in(*found->second) == 0 ? pid_in(*found->second) : 0;
    }
    const auto found = impl_->pending_by_process.find(process);
    if (found == impl_->pending_by_process.end() || found->second->ended) return 0;
    return found->second->job->order.pid();
}

pid_t Children::main_of(core::UnitId unit, core::RunId run) const {
    const auto found = impl_->mains.find({unit, run});
    return found == impl_->mains.end() ? 0 : found->second.pid;
}

std::optional<core::ProcessRef> Children::find(pid_t pid) const {
    if (const auto found = impl_->live.find(pid); found != impl_->live.end()) {
        return found->second.process;
    }
    if (const auto* const start = impl_->in_flight(pid)) return start->job->process;
    for (const auto& [process, slot] : impl_->adopted) {
        if (pid_in(*slot) == pid && exit_in(*slot) == 0) return process;
    }
    return std::nullopt;
}

Children::Stats Children::stats() const {
    Stats stats = impl_->stats;
    stats.spare_threads = impl_->threads.spares_in_use();
    for (auto start = impl_->pending.rbegin(); start != impl_->pending.rend(); ++start) {
        if (start->job->begun.load()) break;
        ++stats.waiting;
    }
    return stats;
}

}  // namespace reeve::os
