// One unit on a screen, for `status UNIT`.
#pragma once

#include "ctl/context.hpp"
#include "ctl/unit_info.hpp"

namespace reeve::ctl {

// `unit` has all properties. Asks the manager for its reasons and, where allowed, its last lines.
void print_details(Context& context, const Value& unit, const Now& now);

// "2026-11-21 10:00:01" in local time; empty: 0.
std::string local_time(std::uint64_t realtime_us);

// All that can be read from `fd`. Throws std::system_error.
std::string read_all(int fd, const char* what);

}  // namespace reeve::ctl
