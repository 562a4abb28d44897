// `reevectl check` and `apply`: everything that is wrong, found by the code that loads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "units/load.hpp"

namespace reeve::units {

struct CheckReport {
    std::vector<Problem> problems;  // in file order
    std::size_t units = 0;          // good ones
    [[nodiscard]] bool good() const { return !has_errors(problems); }
};

// Without paths: checks the folders of `options` as a whole. With paths: the folders among them
// come before those of `options` on the search path, each file replaces the unit of its name, a
// drop-in (or a folder of them) is laid over its unit, and only problems of these folders and files
// (and their drop-ins) are told, and their units counted.
CheckReport check(const std::vector<std::filesystem::path>& paths, const LoadOptions& options);

// One problem a line, ending in a newline each; empty: none.
std::string format(const std::vector<Problem>& problems);

}  // namespace reeve::units
