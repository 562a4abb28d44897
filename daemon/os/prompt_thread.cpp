#include "daemon/os/prompt_thread.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace reeve::os {

namespace {

// The kernel's struct sched_attr, first version; glibc 2.36 has none.
struct Attributes {
    std::uint32_t size = sizeof(Attributes);
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;  // of SCHED_OTHER: the slice, ns; least 100 µs
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};

constexpr std::uint64_t reset_on_fork = 1;
constexpr std::uint64_t slice = 100'000;

}  // namespace

void be_prompt() noexcept {
    Attributes attributes;
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != SCHED_OTHER || attributes.nice < 0) return;
    attributes.size = sizeof attributes;
    attributes.flags |= reset_on_fork;
    attributes.runtime = slice;
    (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace reeve::os
