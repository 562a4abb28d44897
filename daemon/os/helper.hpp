// Programs that the manager runs for itself: in a group of their own, reaped as any child.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace reeve::os {

// Starts `command` (an absolute path first) with `input` as stdin and `output` as stdout, which
// stay the caller's; stderr is ours. The end of its output says that it is gone. It is killed when
// the calling thread ends, so with the manager at the latest. Throws std::system_error.
pid_t spawn_helper(const std::vector<std::string>& command, int input, int output);

}  // namespace reeve::os
