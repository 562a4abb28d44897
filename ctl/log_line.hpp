// A line of a log: "2026-11-21T10:00:01.123456+00:00 UNIT[RUN] TEXT".
#pragma once

#include <string>
#include <string_view>

#include "ctl/value.hpp"

namespace reeve::ctl {

struct LogLine {
    std::string_view time;
    std::string_view unit;
    std::uint64_t run = 0;
    std::string_view text;
};
// A line of another shape is all text.
LogLine parse_log_line(std::string_view line);
Value log_line(std::string_view line);  // docs/json/logs.schema.json

// One word for a shell at the other end.
std::string shell_quoted(std::string_view word);

}  // namespace reeve::ctl
