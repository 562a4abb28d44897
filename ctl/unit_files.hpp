// Files of units on the search path, found without reading what they say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace reeve::ctl {

// The files a unit is read from: its own, then its drop-ins in the order they count. By the
// manager if there is one that knows the unit, else on the search path. Throws Failure: no such
// unit.
struct UnitFiles {
    std::string name;                // an alias replaced by the name
    std::vector<std::string> paths;  // below --root where that is given
};
UnitFiles find_unit_files(Context& context, const std::string& unit);

// The same on the search path alone; nullopt: not there.
std::optional<UnitFiles> search_unit_files(const std::vector<std::string>& folders,
                                           const std::string& unit);

// Throws Failure: cannot be read.
std::string read_file(const std::string& path);
// Makes the folder, writes beside, renames: nobody ever sees half a file. Throws Failure: cannot be
// written.
void write_file(const std::string& path, const std::string& text);

}  // namespace reeve::ctl
