// A pipe whose two ends are closed with it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os::testing {

struct Pipe {
    // `flags` beside O_CLOEXEC. Throws std::system_error.
    explicit Pipe(int flags = 0) {
        int ends[2];
        posix::check(::pipe2(ends, O_CLOEXEC | flags), "pipe");
        read = posix::Fd{ends[0]};
        write = posix::Fd{ends[1]};
    }
    posix::Fd read, write;
};

}  // namespace reeve::os::testing
