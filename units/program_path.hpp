// Finds a program in PATH, as a shell would.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reeve::units {

// The first executable regular file `word` in the folders of `path`; nullopt: none.
std::optional<std::string> find_program(std::string_view word, std::string_view path);

}  // namespace reeve::units
