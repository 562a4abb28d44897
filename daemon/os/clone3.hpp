// clone3 for a child that shares our memory and runs on a stack of its own. glibc 2.36 has no
// wrapper, and syscall() cannot return twice on two stacks; hence a few instructions per
// architecture.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

namespace reeve::os {

// Calls entry(argument) in the child, which must not return. Gives the pid, or -errno; -ENOSYS
// where there is no such instruction sequence for this architecture.
pid_t clone3_into(const clone_args& args, void (*entry)(void*), void* argument) noexcept;

}  // namespace reeve::os
