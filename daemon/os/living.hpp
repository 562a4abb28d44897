// What a manager before us left running, found by the folders of cgroups or by marks alone.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/core/types.hpp"

namespace reeve::os {

using UnitNames = std::vector<std::pair<core::UnitId, std::string>>;

struct Living {
    core::UnitId unit{};
    core::RunId run{};  // 0: not known
    std::vector<pid_t> pids;
};

// The name of a folder taken apart: UNIT, escaped, or UNIT+RUN.
struct RunFolder {
    std::string_view unit;
    core::RunId run{};
    explicit RunFolder(std::string_view name);
};

// The units by the names of their folders.
std::map<std::string, core::UnitId, std::less<>> folders_of(const UnitNames& units);

// In the folders of an instance; what is of none of the units is named in the log. Of a unit with
// several folders that of the last run counts: the others were left behind.
std::vector<Living> living_in_folders(int instance, const UnitNames& units);
// Below `root`, by REEVE_UNIT in the environment.
std::vector<Living> living_with_marks(pid_t root, const UnitNames& units);

// The units that have processes in the folders of an instance: as these say, else the folder.
std::set<std::string> names_in_folders(int instance);
// The same below `root`.
std::set<std::string> names_with_marks(pid_t root);
// REEVE_RUN of all that lives below `root` (0: us) and was not in our own environment.
std::set<std::string> marks_below(pid_t root);

}  // namespace reeve::os
