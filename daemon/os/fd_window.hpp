// The low descriptors that children are made from. A child is cloned with our table of
// descriptors and copies what is below window_end() alone, so that a start costs the same however
// many descriptors the manager has.
#pragma once

#include <sys/resource.h>

#include <vector>

#include "hal/posix/fd.hpp"

namespace reeve::os {

class FdWindow {
public:
    // The slots of one spawn thread. They hold /dev/null except while a start is under way.
    struct Slots {
        int out = -1, err = -1, extra = -1, join = -1;
    };

    // Takes slots for `threads` threads. Early in the life of the process they come out low; the
    // table is grown once here, because growing it later, with threads, waits for an RCU period.
    explicit FdWindow(unsigned threads);

    [[nodiscard]] int null() const noexcept { return null_.get(); }
    [[nodiscard]] unsigned end() const noexcept { return end_; }
    [[nodiscard]] const Slots& slots(unsigned thread) const { return slots_[thread]; }

    // Puts `fd` into a slot; -1: /dev/null. Called by the slot's own thread alone. 0 or -errno.
    [[nodiscard]] int fill(int slot, int fd) const noexcept;

private:
    int take();

    posix::Fd null_;
    std::vector<posix::Fd> held_;
    std::vector<Slots> slots_;
    unsigned end_ = 0;
};

// False: so few are free that a start could leave none for what ends, or for clients.
bool has_descriptors_to_spare() noexcept;

// Raises the soft limit of open files to the hard one while it lives.
class RaisedFileLimit {
public:
    RaisedFileLimit();
    ~RaisedFileLimit();
    RaisedFileLimit(const RaisedFileLimit&) = delete;
    RaisedFileLimit& operator=(const RaisedFileLimit&) = delete;

    [[nodiscard]] const rlimit& original() const noexcept { return original_; }

private:
    rlimit original_{};
};

}  // namespace reeve::os
