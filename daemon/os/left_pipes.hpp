// The pipes that processes print into, found from the outside.
#pragma once

#include <sys/types.h>

#include <vector>

#include "hal/posix/fd.hpp"

namespace reeve::os {

// Number of the pipe (without a name) that is descriptor `fd` of a process; 0: it is none.
ino_t pipe_of(pid_t pid, int fd);
ino_t pipe_of(int fd);  // of our own

// A new read end of that pipe, if none of the processes `users` reads from it: then whoever did is
// dead, and writing to it would be the end of the writer. Empty: it is no such pipe.
posix::Fd reopen_pipe(pid_t pid, int fd, const std::vector<pid_t>& users);

}  // namespace reeve::os
