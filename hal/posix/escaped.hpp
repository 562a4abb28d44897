// Text from outside, made fit for one line of a log.
#pragma once

#include <string>
#include <string_view>

namespace reeve::posix {

// Control characters, and bytes that are not UTF-8, as \x1b; a tab stays.
std::string escaped(std::string_view text);

}  // namespace reeve::posix
