// The cgroup of one unit.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "hal/posix/fd.hpp"

namespace reeve::os {

class CgroupDir {
public:
    struct Events {
        bool populated = false;
        bool frozen = false;
        int error = 0;  // it could not be read, and counts as populated
    };

    CgroupDir() = default;
    // Makes the folder `name` in `parent`, or opens the one that is there. Throws
    // std::system_error.
    CgroupDir(int parent, std::string name);
    // The folder that is there; none (false) if it is not.
    static CgroupDir open(int parent, std::string name);

    // True: the folder was not there before, so nothing is in it, and it is not frozen.
    [[nodiscard]] bool made() const noexcept { return made_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] int get() const noexcept { return dir_.get(); }
    explicit operator bool() const noexcept { return static_cast<bool>(dir_); }

    // Becomes readable (EPOLLPRI) when populated or frozen changes; opened on first use.
    // -1: that cannot be now, errno says why.
    [[nodiscard]] int events_fd();
    template <class Before>
    void close_events(Before before) {
        if (events_) before(events_.get());
        events_ = {};
    }
    // Of a folder that was removed behind our back: not populated. Tries a few times.
    [[nodiscard]] Events read_events();
    // False also of one that is none, or cannot be read.
    [[nodiscard]] bool is_seen_populated() {
        if (!dir_) return false;
        const Events now = read_events();
        return now.populated && now.error == 0;
    }

    // False: the folder is gone.
    bool thaw() const noexcept;
    // SIGKILL to all within. False: the kernel has no cgroup.kill (before 5.14).
    bool kill() const noexcept;
    // The same by hand: freezes, so that nobody forks, and kills each. Frozen members die as well.
    // Has to be repeated while populated: freezing takes its time.
    void freeze_and_kill() const;

    // To each process within, but `except` (0: none left out).
    void signal(int signal, pid_t except) const;

    // All pids within, those of folders below too.
    [[nodiscard]] std::vector<pid_t> members() const;
    // The oom_kill count; 0 where there is no memory controller.
    [[nodiscard]] std::uint64_t oom_kills() const;
    // A number that stays with the folder; 0: none was ever set, or the kernel cannot (before 5.7).
    void set_note(std::uint64_t number) const;
    [[nodiscard]] std::uint64_t note() const;

private:
    std::string name_;
    posix::Fd dir_;
    posix::Fd events_;
    bool made_ = false;
};

// Names of the folders in a folder.
std::vector<std::string> subfolders(int folder);

// Removes a folder and those below it, as far as they are empty. False: something lives there.
bool remove_cgroup(int parent, const std::string& name);

}  // namespace reeve::os
