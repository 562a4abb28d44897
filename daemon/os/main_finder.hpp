// The main process of a forking service: named by a PID file, or the only or eldest one left.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"

namespace reeve::os {

class MainFinder {
public:
    struct Search {
        core::UnitId unit{};
        core::RunId run{};
        std::string pid_file;                         // empty: none, take the only or eldest member
        std::function<std::vector<pid_t>()> members;  // of the run, now
        std::function<bool(pid_t)> belongs;           // to the run; others are never trusted
    };
    // On the loop, never from within begin(): the pid, which ends the search, or 0 and why not yet
    // (again on each change of the reason, for status; the core owns the deadline).
    using Found = std::function<void(core::UnitId, core::RunId, pid_t, std::string_view why)>;

    MainFinder(Loop& loop, Found found);
    ~MainFinder();
    MainFinder(const MainFinder&) = delete;
    MainFinder& operator=(const MainFinder&) = delete;

    // Looks at once, then on every change of the file (inotify on its folder, which may not exist
    // yet) until found or cancelled. The file is read off the loop: while its mount hangs nothing
    // is told.
    void begin(Search search);
    void look_again(core::UnitId unit);  // a process of the unit ended or appeared
    void cancel(core::UnitId unit);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace reeve::os
