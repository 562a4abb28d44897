// Small files of the kernel, read whole.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::os {

// nullopt: it cannot be read (of a process: it is gone, or another user's).
std::optional<std::string> read_at(int folder, const char* path);
std::optional<std::string> read_whole(const std::string& path);

// Appends the decimal numbers of a text in which whitespace separates them.
void append_numbers(std::string_view text, std::vector<pid_t>& numbers);

}  // namespace reeve::os
