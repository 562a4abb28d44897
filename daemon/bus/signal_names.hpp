// Signals by name or number.
#pragma once

#include <optional>
#include <string_view>

namespace reeve::bus {

// "TERM", "SIGTERM", "15", "RTMIN+3"; nullopt: no such signal.
std::optional<int> signal_number(std::string_view name);

}  // namespace reeve::bus
