// Small files of the kernel, read whole.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

#include "hal/posix/read_file.hpp"

namespace reeve::os {

// nullopt of a process: it is gone, or another user's.
using posix::read_at;
using posix::read_whole;

// Appends the decimal numbers of a text in which whitespace separates them.
void append_numbers(std::string_view text, std::vector<pid_t>& numbers);

}  // namespace reeve::os
