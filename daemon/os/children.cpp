#include "daemon/os/children.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "daemon/os/spawn_threads.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

namespace {

constexpr unsigned reaped_per_turn = 64;

using MainKey = std::pair<core::UnitId, core::RunId>;

posix::Fd pidfd_open(pid_t pid) noexcept {
    return posix::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
}

bool send(const posix::Fd& pidfd, int signal) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

core::ExitStatus to_status(const siginfo_t& info) noexcept {
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
    };
    struct Pending {
        SpawnJob* job = nullptr;                // owned by the threads
        std::optional<core::ExitStatus> ended;  // it was reaped before its start was told
        bool killed = false;
    };
    struct Main {
        pid_t pid = 0;
        posix::Fd pidfd;
    };

    Loop& loop;
    std::function<void(const ChildNews&)> news;
    std::unordered_map<pid_t, Live> live;    // started and not reaped
    std::map<core::ProcessRef, pid_t> pids;  // of `live`
    std::list<Pending> pending;              // in the order in which threads take them
    std::map<core::ProcessRef, std::list<Pending>::iterator> pending_by_process;
    std::unordered_set<pid_t> failed;  // gave up before exec, not reaped yet
    std::map<MainKey, Main> mains;
    Stats stats;
    bool reap_deferred = false;
    std::shared_ptr<int> alive = std::make_shared<int>();  // for what is deferred
    SpawnThreads threads;                                  // last: its threads use nothing above

    Impl(Loop& on, std::function<void(const ChildNews&)> to)
        : loop{on},
          news{std::move(to)},
          threads{on,
                  {[this](std::unique_ptr<SpawnJob> job) { spawned(std::move(job)); },
                   [this](const SpawnJob& job) {
                       news(SpawnHangs{job.process, job.plan.argv.front(), false});
                   }}} {}

    void spawned(std::unique_ptr<SpawnJob> job) {
        const auto found = pending_by_process.find(job->process);
        const Pending start = *found->second;
        pending.erase(found->second);
        pending_by_process.erase(found);
        if (job->hangs) news(SpawnHangs{job->process, job->plan.argv.front(), true});

        const ChildOrder& order = job->order;
        const pid_t pid = order.pid.load();
        posix::Fd pidfd{order.pidfd};
        const bool shot = start.killed && job->hangs;  // in the exec that hung, or just after it
        if (order.error != 0 || shot) {
            if (pid > 0 && !start.ended) failed.insert(pid);
            const bool unborn = pid > 0 && order.stage == SpawnStage::clone;
            news(NotStarted{job->process, order.stage, order.error != 0 ? order.error : ECANCELED,
                            unborn, path_of(order.stage, job->plan)});
            return;
        }
        ++stats.spawned;
        if (!start.ended) {
            live.insert_or_assign(pid, Live{job->process, std::move(pidfd)});
            pids[job->process] = pid;
        }
        news(Started{job->process});
        if (start.ended) news(Ended{job->process, *start.ended});
    }

    // Looks before it reaps: until then the pid can be nobody else's.
    void reap() {
        reap_deferred = false;
        for (unsigned i = 0; i < reaped_per_turn; ++i) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return;
            if (info.si_pid == 0) return;
            const pid_t pid = info.si_pid;
            if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) == -1) return;
            ++stats.reaped;
            reaped(pid, to_status(info));
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
            live.erase(found);
            pids.erase(process);
            known = true;
            news(Ended{process, status});
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
            if (!start.ended && start.job->order.pid.load() == pid) return &start;
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
        loop.unwatch(found->second.pidfd.get());
        mains.erase(found);
        news(MainEnded{key.first, key.second, status});
    }

    // Its pidfd tells that it has ended. A child of ours is left to reap(); of others nobody tells
    // us the status.
    void main_readable(const MainKey& key) {
        const auto found = mains.find(key);
        if (found == mains.end()) return;
        siginfo_t info{};
        const auto id = static_cast<id_t>(found->second.pid);
        if (::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
            loop.unwatch(found->second.pidfd.get());
            reap_later();
            return;
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
        if (const pid_t pid = start.job->order.pid.load(); pid > 0) {
            if (signal == SIGKILL) start.killed = true;
            return send(pidfd_open(pid), signal);  // not reaped yet, so it is no other's
        }
        if (!ends_processes(signal)) return false;
        std::shared_ptr<SpawnJob> job{threads.cancel(*start.job)};
        if (!job) return false;
        pending.erase(found->second);
        pending_by_process.erase(found);
        loop.defer([this, job, still = std::weak_ptr{alive}] {
            if (!still.expired())
                news(NotStarted{job->process, SpawnStage::clone, ECANCELED, false, {}});
        });
        return true;
    }
};

Children::Children(Loop& loop, std::function<void(const ChildNews&)> news) {
    // Ignored (that is inherited), it would make the kernel reap for us and keep the statuses; and
    // a child that is stopped is no news.
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP;
    posix::check(::sigaction(SIGCHLD, &action, nullptr), "reset SIGCHLD");
    posix::check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "become a subreaper");
    impl_ = std::make_unique<Impl>(loop, std::move(news));
    loop.on_signal(SIGCHLD, [this] { impl_->reap(); });
    impl_->reap_later();  // what ended before
}

Children::~Children() {
    impl_->loop.on_signal(SIGCHLD, nullptr);
    for (const auto& [key, main] : impl_->mains) impl_->loop.unwatch(main.pidfd.get());
}

void Children::start(core::ProcessRef process, SpawnPlan plan) {
    auto job = std::make_unique<SpawnJob>(process, std::move(plan));
    impl_->pending.push_back({job.get(), std::nullopt, false});
    impl_->pending_by_process[process] = std::prev(impl_->pending.end());
    impl_->threads.add(std::move(job));
}

bool Children::signal(core::ProcessRef process, int signal) {
    const auto found = impl_->pids.find(process);
    if (found == impl_->pids.end()) return impl_->signal_pending(process, signal);
    const posix::Fd& pidfd = impl_->live.at(found->second).pidfd;
    return pidfd ? send(pidfd, signal) : send(pidfd_open(found->second), signal);
}

bool Children::signal_group(core::ProcessRef process, int signal) {
    // Its leader is not reaped, so the number of the group is no other's.
    const pid_t leader = pid_of(process);
    return leader > 0 && ::kill(-leader, signal) == 0;
}

bool Children::watch_main(core::UnitId unit, core::RunId run, pid_t pid) {
    posix::Fd pidfd = pidfd_open(pid);
    if (!pidfd) return false;
    forget_main(unit, run);
    const MainKey key{unit, run};
    impl_->loop.watch(
        pidfd.get(), EPOLLIN, [this, key](std::uint32_t) { impl_->main_readable(key); },
        "main process");
    impl_->mains[key] = {pid, std::move(pidfd)};
    return true;
}

bool Children::signal_main(core::UnitId unit, core::RunId run, int signal) {
    const auto found = impl_->mains.find({unit, run});
    return found != impl_->mains.end() && send(found->second.pidfd, signal);
}

void Children::forget_main(core::UnitId unit, core::RunId run) {
    const auto found = impl_->mains.find({unit, run});
    if (found == impl_->mains.end()) return;
    impl_->loop.unwatch(found->second.pidfd.get());
    impl_->mains.erase(found);
}

pid_t Children::pid_of(core::ProcessRef process) const {
    if (const auto found = impl_->pids.find(process); found != impl_->pids.end()) {
        return found->second;
    }
    const auto found = impl_->pending_by_process.find(process);
    if (found == impl_->pending_by_process.end() || found->second->ended) return 0;
    return found->second->job->order.pid.load();
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
