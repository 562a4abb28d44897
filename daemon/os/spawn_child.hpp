// What a child does between clone and exec. It runs in our memory while the thread that made it
// waits, so: plain data, raw system calls, no function of a library that keeps state. The file is
// built without sanitizers.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "daemon/init/layout.hpp"
#include "daemon/os/spawn_stage.hpp"

namespace reeve::os {

// All pointers are borrowed and stay valid until exec.
struct ChildOrder {
    const char* const* argv = nullptr;
    const char* const* env = nullptr;
    const char* directory = nullptr;

    // Descriptors in the reserved window below `window_end`; extra -1: none.
    int null = -1, out = -1, err = -1, extra = -1;
    int extra_as = -1;
    unsigned window_end = 0;
    bool shares_descriptors = false;  // made with CLONE_FILES
    int join_cgroup = -1;             // cgroup.procs, to be joined by hand; -1: is there, or none

    struct Limit {
        std::uint64_t soft, hard;
    } nofile{};  // as struct rlimit64
    bool change_core = false;
    Limit core{};
    mode_t umask = 0022;
    bool change_identity = false;
    uid_t uid = 0;
    gid_t gid = 0;
    const gid_t* groups = nullptr;
    std::size_t group_count = 0;
    const sock_fprog* filter = nullptr;  // nullptr: none

    std::uint64_t reset_signals = 0;  // bit n-1: signal n is set to its default
    bool ignore_sigpipe = false;
    bool reset_oom_score = false;  // ours is protected, the child's is not to be

    // Written while the child comes to be. The kernel stores the pid before the child
    // runs: into the slot, where there is one.
    pid_t own_pid = 0;
    int pidfd = -1;
    SpawnStage stage{SpawnStage::clone};
    int error = 0;  // set: the child gave up at `stage`

    // Outlives us, in memory that is shared: the child goes on without us. nullptr: none.
    state::Slot* slot = nullptr;
    std::uint64_t tick = 0;          // of CLOCK_BOOTTIME, before the child was made
    std::uint64_t ns_in_a_tick = 0;  // 0: its clock cannot be read here

    [[nodiscard]] pid_t* pid_at() noexcept { return slot != nullptr ? &slot->pid : &own_pid; }
    [[nodiscard]] pid_t pid() noexcept { return std::atomic_ref{*pid_at()}.load(); }
};

// entry for clone3_into(): becomes the program of the ChildOrder, or ends with 127.
void become(void* order) noexcept;

}  // namespace reeve::os
