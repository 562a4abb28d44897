// Makes one process after another, on the thread that calls it. Allocates nothing.
#pragma once

#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "daemon/os/fd_window.hpp"
#include "daemon/os/spawn_child.hpp"
#include "daemon/os/spawn_plan.hpp"

namespace reeve::os {

// What all spawners know of the process and the kernel.
struct SpawnEnvironment {
    // A child that changes its user makes the kernel mark our memory undumpable, lest that user
    // trace it. That is undone when no such child is on its way.
    struct Dumpable {
        int original = 1;
        std::mutex mutex;
        unsigned in_change = 0;
    };

    std::shared_ptr<Dumpable> dumpable;
    std::shared_ptr<std::atomic<bool>> clone3_missing;
    rlimit files{};                   // what the manager was started with
    std::uint64_t reset_signals = 0;  // those that are ignored here
    bool oom_protected = false;
    std::optional<rlimit> core;  // of children, where ours is another
};
SpawnEnvironment probe_environment(const rlimit& original_files);

class Spawner {
public:
    // Borrows the window.
    Spawner(const FdWindow& window, FdWindow::Slots slots, SpawnEnvironment environment);

    // Returns when the child has become its program or has given up; the rest is in `order`: its
    // pid (0: there was none), pidfd (owned by the caller), and stage and error of a failure.
    void spawn(ChildOrder& order, const SpawnPlan& plan) noexcept;

private:
    bool fill_slots(ChildOrder& order, const SpawnPlan& plan) const noexcept;
    void clear_slots(const SpawnPlan& plan) const noexcept;
    void complete(ChildOrder& order, const SpawnPlan& plan) const noexcept;
    void make(ChildOrder& order, const SpawnPlan& plan) noexcept;
    pid_t by_clone3(ChildOrder& order, const SpawnPlan& plan) noexcept;
    pid_t by_clone(ChildOrder& order, const SpawnPlan& plan) noexcept;
    pid_t prepare_to_join(ChildOrder& order, int cgroup) noexcept;

    struct Unmap {
        void operator()(std::byte* stack) const noexcept;
    };

    const FdWindow& window_;
    FdWindow::Slots slots_;
    SpawnEnvironment environment_;
    std::unique_ptr<std::byte, Unmap> stack_;
};

}  // namespace reeve::os
