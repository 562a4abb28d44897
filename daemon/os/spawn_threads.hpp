// The threads that start processes, so that an exec that hangs holds one of them and never the
// loop. They never allocate and live as long as the process: a parent-death signal is sent when
// the thread that made the child ends.
#pragma once

#include <sys/resource.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"
#include "daemon/os/spawn_child.hpp"
#include "daemon/os/spawn_plan.hpp"

namespace reeve::os {

// One start on its way. A spawn thread fills in `order`.
struct SpawnJob {
    SpawnJob(core::ProcessRef of, SpawnPlan with);

    core::ProcessRef process;
    SpawnPlan plan;
    std::vector<const char*> argv, env;  // into plan
    ChildOrder order;
    SpawnJob* next = nullptr;        // in the queue, later in the list of done ones
    std::atomic<bool> begun{false};  // a thread has taken it
    core::TimePoint since{};         // when; guarded by the mutex of the threads
    bool hangs = false;              // has been told of; of the loop
};

class SpawnThreads {
public:
    struct Events {
        // On the loop, in the order of completion.
        std::function<void(std::unique_ptr<SpawnJob>)> done;
        // On the loop: not back within the limit.
        std::function<void(const SpawnJob&)> hangs;
    };
    static constexpr unsigned regular = 2, spare = 6;

    // `core`: soft RLIMIT_CORE of children, where it is not ours. Throws std::system_error.
    SpawnThreads(Loop& loop, Events events, std::optional<rlim_t> core = {});
    // Idle threads end; one that hangs is left behind with what it uses.
    ~SpawnThreads();
    SpawnThreads(const SpawnThreads&) = delete;
    SpawnThreads& operator=(const SpawnThreads&) = delete;

    // Gives a reference that is good until `done` or cancel().
    SpawnJob& add(std::unique_ptr<SpawnJob> job);
    // Takes a job back that no thread has taken yet; nullptr: too late.
    std::unique_ptr<SpawnJob> cancel(SpawnJob& job);

    [[nodiscard]] unsigned spares_in_use() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
