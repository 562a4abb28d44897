// Processes that a manager before us left behind. They are no children of ours but the keeper's:
// a pidfd tells that one has ended, its slot tells how, as the keeper stores that before it reaps.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"
#include "daemon/os/slots.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

class TakenOver {
public:
    // What was found of a process, at the moment of looking.
    enum class Found {
        never_begun,  // no pid: it was never cloned
        ended,        // its slot says how
        ending,       // it has ended, how is not known yet; or it is not who it was
        before_exec,  // it has not become its program yet
        running,
    };
    // On the loop, never from within add() or follow().
    struct Tell {
        std::function<void(state::Slot&)> executed;
        std::function<void(state::Slot&)> gave_up;  // at `stage` with `error`; 0: killed there
        // Last of all for a slot, which is not looked at any more.
        std::function<void(state::Slot&, core::ExitStatus)> ended;
    };

    TakenOver(Loop& loop, Slots& slots, Tell tell);
    ~TakenOver();
    TakenOver(const TakenOver&) = delete;
    TakenOver& operator=(const TakenOver&) = delete;

    // Looks at the process of a used slot: is it there, and is it the one? That is said by its
    // start time, or, where that was not stored any more, by `belongs` (to the unit's cgroup).
    // `started`: it was told before that it has become its program; else `executed` or `gave_up`
    // follows. Then, in any case but never_begun, `ended`, unless it gave up.
    Found add(state::Slot& slot, bool started, const std::function<bool(pid_t)>& belongs);
    // One that was running a moment ago. `ended` follows.
    void follow(state::Slot& slot, posix::Fd pidfd);
    // Is not told of any more.
    void forget(state::Slot& slot);
    // False: it has ended, or is not known here.
    bool signal(state::Slot& slot, int signal);
    // The keeper has stored an exit (its eventfd is readable).
    void exits_stored();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
