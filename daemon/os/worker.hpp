// Does off the loop what may block: reading files, making folders, asking whether a path exists.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "daemon/os/loop.hpp"

namespace reeve::os {

class Worker {
public:
    explicit Worker(Loop& loop);
    ~Worker();  // waits for nobody: a job that hangs is left behind
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Jobs of one chain never run side by side, nor out of order.
    enum class Chain : std::uint64_t { none, definitions, first_unit };

    // Runs `job` on a thread, then `done` on the loop. Jobs run in order on one thread; when that
    // one has been at a job for half a second, another takes over the rest (four at the most).
    void submit(std::function<void()> job, std::function<void()> done, Chain chain = Chain::none);

    struct Shared;  // with the threads

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
