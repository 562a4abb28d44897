// Small files, read whole.
#pragma once

#include <optional>
#include <string>

namespace reeve::posix {

// nullopt: it cannot be read; errno says why. `path` is taken from the folder of that descriptor.
std::optional<std::string> read_at(int folder, const char* path);
std::optional<std::string> read_whole(const std::string& path);

}  // namespace reeve::posix
