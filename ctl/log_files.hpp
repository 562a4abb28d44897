// The log files of units, read while there is no manager: FOLDER/UNIT/current and its elders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace reeve::ctl {

struct LogFilter {
    std::uint64_t lines = 0;  // the last N, 0: all
    std::uint64_t run = 0;    // 0: all
};

// Lines of all these units (none: of all that have files), by time. Throws Failure for a unit
// without files, and when they may not be read.
std::string read_log_files(const std::string& folder, const std::vector<std::string>& units,
                           const LogFilter& filter);

bool has_log_files(const std::string& folder);

}  // namespace reeve::ctl
