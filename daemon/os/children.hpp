// Every process the manager starts or takes over: spawning by two threads, signalling through
// pidfds, reaping. The only file of the manager that knows pids.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"
#include "daemon/os/slots.hpp"
#include "daemon/os/spawn_plan.hpp"
#include "daemon/os/taken_over.hpp"

namespace reeve::os {

struct Started {
    core::ProcessRef process;
};  // execve succeeded
struct NotStarted {
    core::ProcessRef process;
    SpawnStage stage{};
    int error = 0;
    bool unborn = false;  // killed before its first instruction
    std::string path;     // what `stage` was about: the program, the directory; may be empty
};
// The child `process` has ended and was reaped. Comes after everything it sent could be read: the
// handler drains the unit's notify socket before it passes the exit on.
struct Ended {
    core::ProcessRef process;
    core::ExitStatus status;
};
// A process taken over by watch_main() has ended.
struct MainEnded {
    core::UnitId unit{};
    core::RunId run{};
    core::ExitStatus status;
};
// An orphan that belongs to no known process was reaped (of the unit's cgroup, if that is known).
struct OrphanReaped {
    pid_t pid = 0;
};
// A spawn has not come back within 100 ms (a hung exec, a frozen cgroup), or does so at last.
struct SpawnHangs {
    core::ProcessRef process;
    std::string path;
    bool over = false;
};
using ChildNews = std::variant<Started, NotStarted, Ended, MainEnded, OrphanReaped, SpawnHangs>;

// True for signals that are sent to make an end of a process.
bool ends_processes(int signal) noexcept;

class Children {
public:
    // Makes the process a subreaper, takes SIGCHLD, raises the limit of open files, starts the
    // spawn threads. Early in the life of the process the descriptors reserved for children come
    // out low. Signals that are ignored (but SIGPIPE) are so before. `news` is called on the loop.
    // With `slots` (borrowed) what is started is stored there, for the manager after us: the kernel
    // stores the pid, the child how far it came, we how it ended, before it is reaped. A slot is
    // freed when `news` returns from the last word about its process: by then that is recorded.
    Children(Loop& loop, std::function<void(const ChildNews&)> news, Slots* slots = nullptr);
    ~Children();  // kills nothing
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;

    // Queues a start; Started or NotStarted follows, always, and Ended follows Started.
    void start(core::ProcessRef process, SpawnPlan plan);

    // Sends through the pidfd. False: no such live process (it is on its way out, or unknown).
    // A start that still waits for a thread is cancelled by a signal that ends processes.
    bool signal(core::ProcessRef process, int signal);
    // To the process group that `process` leads; used where there is no cgroup.
    bool signal_group(core::ProcessRef process, int signal);

    // Takes over `pid` as the main process of a run (forking services, MAINPID=). The caller has
    // checked that it is of this unit, and does so again after (the pid may have been another's).
    // False: it is gone. MainEnded follows; its status is `unknown` when it is neither our child
    // nor the keeper's.
    bool watch_main(core::UnitId unit, core::RunId run, pid_t pid);
    bool signal_main(core::UnitId unit, core::RunId run, int signal);
    void forget_main(core::UnitId unit, core::RunId run);

    // Takes over the process of a used slot that a manager before us left (of both uses), with
    // slots only. `started`: Started was told of it. Told on the loop is what had not been: Started
    // or NotStarted, then Ended, or MainEnded; its status is the one that the keeper stored, or
    // `unknown` where there is no keeper any more. Nothing follows never_begun: start() takes
    // the slot, so that it is never without one; or the caller frees that. `belongs`: is a pid in
    // the unit's cgroup? Asked only where the start time is not known.
    TakenOver::Found adopt(state::Slot& slot, bool started,
                           const std::function<bool(pid_t)>& belongs);
    // The same for a process that was found by its cgroup, and is running; its status will be
    // `unknown`. False: it is gone, or there is no slot for it.
    bool adopt(core::ProcessRef process, pid_t pid);
    // The keeper's eventfd is readable (the caller reads it, before).
    void exits_stored();

    // For status and the environment of children (MAINPID); 0: none.
    [[nodiscard]] pid_t pid_of(core::ProcessRef process) const;
    [[nodiscard]] pid_t main_of(core::UnitId unit, core::RunId run) const;
    // The process known under this pid; nullopt: none.
    [[nodiscard]] std::optional<core::ProcessRef> find(pid_t pid) const;

    struct Stats {
        std::uint64_t spawned = 0, reaped = 0, orphans = 0;
        unsigned spare_threads = 0;
        std::size_t waiting = 0;  // starts that no thread has taken yet
    };
    [[nodiscard]] Stats stats() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
