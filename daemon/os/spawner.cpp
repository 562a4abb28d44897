#include "daemon/os/spawner.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "daemon/os/clone3.hpp"
#include "daemon/os/seccomp.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace reeve::os {

namespace {

constexpr std::size_t child_stack = 32 * 1024;
constexpr std::size_t guard = 64 * 1024;  // a multiple of every page size in use

std::uint64_t address(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

std::uint64_t ignored_signals() noexcept {
    std::uint64_t ignored = std::uint64_t{1} << (SIGPIPE - 1);  // may be ignored later on
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == -1) continue;
        if (action.sa_handler == SIG_IGN) ignored |= std::uint64_t{1} << (signal - 1);
    }
    return ignored;
}

bool protected_from_oom() noexcept {
    const posix::Fd file{::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC)};
    char first = '0';
    return file && ::read(file.get(), &first, 1) == 1 && first == '-';
}

int become_and_end(void* order) {
    become(order);
    return 127;
}

// Start times of processes are told in ticks of this clock.
void note_tick(ChildOrder& order) noexcept {
    if (order.slot == nullptr || sizeof(long) < 8) return;
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    order.ns_in_a_tick = 1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    order.tick = (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                  static_cast<std::uint64_t>(now.tv_nsec)) /
                 order.ns_in_a_tick;
}

bool is_of_cgroup(int error) noexcept {
    constexpr int errors[] = {ENODEV, EBUSY, EOPNOTSUPP, EACCES, EBADF, ENOENT};
    return std::find(std::begin(errors), std::end(errors), error) != std::end(errors);
}

}  // namespace

SpawnEnvironment probe_environment(const rlimit& original_files) {
    SpawnEnvironment environment;
    environment.dumpable = std::make_shared<SpawnEnvironment::Dumpable>();
    environment.dumpable->original = ::prctl(PR_GET_DUMPABLE);
    // Without close_range the child could not make the table of descriptors its own.
    const bool missing = ::syscall(SYS_close_range, ~0U, ~0U, 0) == -1;
    environment.clone3_missing = std::make_shared<std::atomic<bool>>(missing);
    environment.files = original_files;
    environment.reset_signals = ignored_signals();
    environment.oom_protected = protected_from_oom();
    return environment;
}

void Spawner::Unmap::operator()(std::byte* stack) const noexcept {
    ::munmap(stack, guard + child_stack);
}

Spawner::Spawner(const FdWindow& window, FdWindow::Slots slots, SpawnEnvironment environment)
    : window_{window}, slots_{slots}, environment_{std::move(environment)} {
    void* const memory = ::mmap(nullptr, guard + child_stack, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error{errno, std::generic_category(), "map stack"};
    stack_.reset(static_cast<std::byte*>(memory));
    posix::check(::mprotect(memory, guard, PROT_NONE), "guard stack");
}

void Spawner::spawn(ChildOrder& order, const SpawnPlan& plan) noexcept {
    complete(order, plan);
    if (order.error != 0) return;
    if (fill_slots(order, plan)) {
        if (plan.identity) {
            auto& dumpable = *environment_.dumpable;
            {
                const std::lock_guard lock{dumpable.mutex};
                ++dumpable.in_change;
            }
            make(order, plan);
            const std::lock_guard lock{dumpable.mutex};
            if (--dumpable.in_change == 0) {
                ::prctl(PR_SET_DUMPABLE, dumpable.original == 1 ? 1 : 0);
            }
        } else {
            make(order, plan);
        }
    }
    clear_slots(plan);
    if (order.join_cgroup >= 0) (void)window_.fill(slots_.join, -1);
}

void Spawner::complete(ChildOrder& order, const SpawnPlan& plan) const noexcept {
    order.null = window_.null();
    order.out = slots_.out;
    order.err = slots_.err;
    if (plan.extra >= 0) {
        order.extra = slots_.extra;
        order.extra_as = plan.extra_as;
    }
    order.window_end = window_.end();
    order.nofile = {environment_.files.rlim_cur, environment_.files.rlim_max};
    if (plan.nofile) order.nofile = {*plan.nofile, *plan.nofile};
    if (environment_.core) {
        order.change_core = true;
        order.core = {environment_.core->rlim_cur, environment_.core->rlim_max};
    }
    order.reset_signals = environment_.reset_signals;
    order.reset_oom_score = environment_.oom_protected;
    if (plan.refuse_children) {
        order.filter = no_new_processes();
        if (order.filter == nullptr) {
            order.stage = SpawnStage::seccomp;
            order.error = ENOSYS;
        }
    }
}

bool Spawner::fill_slots(ChildOrder& order, const SpawnPlan& plan) const noexcept {
    order.stage = SpawnStage::descriptors;
    if (plan.out >= 0) order.error = -window_.fill(slots_.out, plan.out);
    if (plan.err >= 0 && order.error == 0) order.error = -window_.fill(slots_.err, plan.err);
    if (plan.extra >= 0 && order.error == 0) order.error = -window_.fill(slots_.extra, plan.extra);
    return order.error == 0;
}

// Else a pipe would not end when its writer does.
void Spawner::clear_slots(const SpawnPlan& plan) const noexcept {
    if (plan.out >= 0) (void)window_.fill(slots_.out, -1);
    if (plan.err >= 0) (void)window_.fill(slots_.err, -1);
    if (plan.extra >= 0) (void)window_.fill(slots_.extra, -1);
}

void Spawner::make(ChildOrder& order, const SpawnPlan& plan) noexcept {
    order.stage = SpawnStage::clone;
    note_tick(order);
    pid_t pid = -ENOSYS;
    auto& missing = *environment_.clone3_missing;
    if (!missing.load()) pid = by_clone3(order, plan);
    if (pid == -ENOSYS) {  // by a seccomp filter of a container, or the architecture
        missing.store(true);
        pid = by_clone(order, plan);
    }
    if (pid < 0) {
        order.error = -pid;
        if (plan.cgroup >= 0 && is_of_cgroup(-pid)) order.stage = SpawnStage::cgroup;
    } else if (order.error == 0 && order.stage != SpawnStage::exec) {
        order.error = ECANCELED;  // killed on the way
    }
}

// Opened here, as the child cannot reach the folder's descriptor. 0 or -errno.
pid_t Spawner::prepare_to_join(ChildOrder& order, int cgroup) noexcept {
    if (cgroup < 0) return 0;
    const posix::Fd procs{::openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC)};
    if (!procs) return -errno;
    order.join_cgroup = slots_.join;
    return window_.fill(slots_.join, procs.get());
}

pid_t Spawner::by_clone3(ChildOrder& order, const SpawnPlan& plan) noexcept {
    order.shares_descriptors = true;
    const int cgroup = plan.join_by_hand ? -1 : plan.cgroup;
    if (plan.join_by_hand) {
        if (const pid_t error = prepare_to_join(order, plan.cgroup); error != 0) return error;
    }
    clone_args args{};
    args.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | CLONE_PARENT_SETTID |
                 CLONE_CLEAR_SIGHAND;
    if (cgroup >= 0) args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(cgroup >= 0 ? cgroup : 0);
    args.pidfd = address(&order.pidfd);
    args.parent_tid = address(order.pid_at());
    args.exit_signal = SIGCHLD;
    args.stack = address(stack_.get() + guard);
    args.stack_size = child_stack;
    const pid_t pid = clone3_into(args, become, &order);
    posix::crash_point(posix::CrashPoint::cloned);
    if (pid < 0) order.pidfd = -1;  // may hold the number of one that the kernel took back
    return pid;
}

pid_t Spawner::by_clone(ChildOrder& order, const SpawnPlan& plan) noexcept {
    order.shares_descriptors = false;
    if (const pid_t error = prepare_to_join(order, plan.cgroup); error != 0) return error;
    order.reset_signals = ~std::uint64_t{0};  // handlers too: there is no CLONE_CLEAR_SIGHAND
    constexpr int flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD;
    void* const stack = stack_.get() + guard + child_stack;  // grows downwards
    const pid_t pid = ::clone(become_and_end, stack, flags, &order, order.pid_at());
    if (pid == -1) return -errno;
    if (pid > 0) order.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    return pid;
}

}  // namespace reeve::os
