// What must hold of a text before toml++ may see it.
#pragma once

#include <optional>
#include <string_view>

#include "units/document.hpp"

namespace reeve::units {

inline constexpr std::size_t max_text = 1 << 20;  // bytes; a unit file is some hundred
inline constexpr int max_dots = 16;               // in one dotted key

// The first of: too large, not UTF-8, a control character, a character beyond ASCII outside
// strings and comments (undefined in toml++ 3.3.0), a key of too many dots (toml++ and we walk the
// tables by recursion). nullopt: none of these.
std::optional<SyntaxError> scan(std::string_view text);

}  // namespace reeve::units
