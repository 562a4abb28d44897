#include "daemon/os/clone_probe.hpp"

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "daemon/os/clone3.hpp"

namespace reeve::os {

namespace {

void end_at_once(void*) noexcept {
    for (;;) ::syscall(SYS_exit_group, 0);
}

}  // namespace

bool can_be_born_in(int cgroup) noexcept {
    clone_args args{};
    args.flags = CLONE_VFORK | CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(cgroup);
    args.exit_signal = SIGCHLD;
    const pid_t pid = clone3_into(args, end_at_once, nullptr);
    if (pid < 0) return true;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) == -1) return true;
    return info.si_code == CLD_EXITED;
}

}  // namespace reeve::os
