#include "daemon/os/spawn_child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace reeve::os {

namespace {

// The numbered calls of the kernel, which act on this one task; the functions of the C library
// of the same name act on all threads of the manager.
#ifdef SYS_setgroups32
constexpr long sys_setgroups = SYS_setgroups32, sys_setresgid = SYS_setresgid32,
               sys_setresuid = SYS_setresuid32;
#else
constexpr long sys_setgroups = SYS_setgroups, sys_setresgid = SYS_setresgid,
               sys_setresuid = SYS_setresuid;
#endif

constexpr int last_signal = 64;
constexpr unsigned long signal_set_size = 8;  // in the kernel's eyes

void begin(ChildOrder& order, SpawnStage stage) noexcept {
    order.stage = stage;
    if (order.slot == nullptr) return;
    std::atomic_ref{order.slot->stage}.store(static_cast<std::uint16_t>(stage));
}

[[noreturn]] void fail(ChildOrder& order) noexcept {
    order.error = errno;
    if (order.slot != nullptr) {
        std::atomic_ref{order.slot->error}.store(static_cast<std::uint16_t>(order.error));
    }
    for (;;) ::syscall(SYS_exit_group, 127);
}

// Our start time as /proc will tell it, if no tick has passed since before we were made: without
// /proc, and although the manager may be gone already. Else it is looked up after the start.
void note_start_time(ChildOrder& order) noexcept {
    if (order.slot == nullptr || order.ns_in_a_tick == 0) return;
    std::uint64_t now[2] = {};  // as struct timespec, where a long has 64 bits
    if (::syscall(SYS_clock_gettime, CLOCK_BOOTTIME, now) == -1) return;
    if ((now[0] * 1'000'000'000 + now[1]) / order.ns_in_a_tick != order.tick) return;
    std::atomic_ref{order.slot->start_time}.store(order.tick);
}

// First of all: until the table of descriptors is our own, nothing may be opened or closed.
void take_descriptors(ChildOrder& order) noexcept {
    begin(order, SpawnStage::descriptors);
    if (order.shares_descriptors &&
        ::syscall(SYS_close_range, order.window_end, ~0U, CLOSE_RANGE_UNSHARE) == -1) {
        fail(order);
    }
    if (::syscall(SYS_dup3, order.null, 0, 0) == -1) fail(order);
    if (::syscall(SYS_dup3, order.out, 1, 0) == -1) fail(order);
    if (::syscall(SYS_dup3, order.err, 2, 0) == -1) fail(order);
}

// Leaves 0, 1, 2 and extra_as. What a kernel without close_range leaves is close-on-exec.
void close_the_rest(ChildOrder& order) noexcept {
    begin(order, SpawnStage::descriptors);
    unsigned from = 3;
    if (order.extra >= 0) {
        const auto as = static_cast<unsigned>(order.extra_as);
        if (order.extra == order.extra_as) {
            if (::syscall(SYS_fcntl, order.extra, F_SETFD, 0) == -1) fail(order);
        } else if (::syscall(SYS_dup3, order.extra, order.extra_as, 0) == -1) {
            fail(order);
        }
        if (as > 3) ::syscall(SYS_close_range, 3, as - 1, 0);
        if (as >= 3) from = as + 1;
    }
    ::syscall(SYS_close_range, from, ~0U, 0);
}

void join_cgroup(ChildOrder& order) noexcept {
    begin(order, SpawnStage::cgroup);
    if (::syscall(SYS_write, order.join_cgroup, "0", 1) == -1) fail(order);
}

// The manager may be protected from the OOM killer; its children are not. Not worth failing for.
void reset_oom_score() noexcept {
    const auto file =
        ::syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (file == -1) return;
    ::syscall(SYS_write, file, "0", 1);
    ::syscall(SYS_close, file);
}

// Before the identity changes, so that a privileged manager needs no no_new_privs, which would
// take setuid programs away from the service.
void refuse_children(ChildOrder& order) noexcept {
    begin(order, SpawnStage::seccomp);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, order.filter) == 0) return;
    if (errno != EACCES) fail(order);
    if (::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) fail(order);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, order.filter) == -1) fail(order);
}

void change_identity(ChildOrder& order) noexcept {
    begin(order, SpawnStage::groups);
    if (::syscall(sys_setgroups, order.group_count, order.groups) == -1) fail(order);
    begin(order, SpawnStage::user);
    if (::syscall(sys_setresgid, order.gid, order.gid, order.gid) == -1) fail(order);
    if (::syscall(sys_setresuid, order.uid, order.uid, order.uid) == -1) fail(order);
}

// Blocked until here, so that no handler of the manager can run in its memory; and what is
// ignored stays ignored over exec, so that is reset before.
void reset_signals(const ChildOrder& order) noexcept {
    // The kernel's struct sigaction begins with the handler; SIG_DFL and no flags is all zeros.
    const unsigned long to_default[8] = {};
    for (int signal = 1; signal <= last_signal; ++signal) {
        if ((order.reset_signals >> (signal - 1) & 1) == 0) continue;
        ::syscall(SYS_rt_sigaction, signal, to_default, nullptr, signal_set_size);
    }
    if (order.ignore_sigpipe) {
        const unsigned long to_ignore[8] = {1};
        ::syscall(SYS_rt_sigaction, SIGPIPE, to_ignore, nullptr, signal_set_size);
    }
    const std::uint64_t none = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, signal_set_size);
}

}  // namespace

void become(void* argument) noexcept {
    auto& order = *static_cast<ChildOrder*>(argument);
    note_start_time(order);
    take_descriptors(order);
    begin(order, SpawnStage::setsid);
    if (::syscall(SYS_setsid) == -1) fail(order);
    if (order.join_cgroup >= 0) join_cgroup(order);
    close_the_rest(order);
    if (order.reset_oom_score) reset_oom_score();
    begin(order, SpawnStage::limits);
    if (::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &order.nofile, nullptr) == -1) {
        fail(order);
    }
    if (order.change_core) ::syscall(SYS_prlimit64, 0, RLIMIT_CORE, &order.core, nullptr);
    ::syscall(SYS_umask, order.umask);
    if (order.filter != nullptr) refuse_children(order);
    if (order.change_identity) change_identity(order);
    begin(order, SpawnStage::chdir);
    if (::syscall(SYS_chdir, order.directory) == -1) fail(order);
    reset_signals(order);
    begin(order, SpawnStage::exec);
    ::syscall(SYS_execve, order.argv[0], order.argv, order.env);
    fail(order);
}

}  // namespace reeve::os
