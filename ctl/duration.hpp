// Lengths of time as people write and read them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "units/values.hpp"

namespace reeve::ctl {

using units::Duration;
inline constexpr Duration forever = units::infinity;
using units::parse_duration;

// Short, two units at most: "340 ms", "3.2 s", "1 min 5 s", "2 h 3 min", "4 d 1 h".
std::string to_text(Duration duration);

// The same in whole seconds, for a line that is written anew every second.
std::string to_seconds_text(Duration duration);

}  // namespace reeve::ctl
