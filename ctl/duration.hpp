// Lengths of time as people write and read them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace reeve::ctl {

using Duration = std::chrono::microseconds;
inline constexpr Duration forever = Duration::max();

// "500ms", "10s", "1min 30s", "2h", "infinity", as in unit files. nullopt: not a duration.
std::optional<Duration> parse_duration(std::string_view text);

// Short, two units at most: "340 ms", "3.2 s", "1 min 5 s", "2 h 3 min", "4 d 1 h".
std::string to_text(Duration duration);

// The same in whole seconds, for a line that is written anew every second.
std::string to_seconds_text(Duration duration);

}  // namespace reeve::ctl
