// Where in its files a unit says something, found by reading them once more: places are not kept.
#pragma once

#include "units/set_checks.hpp"

namespace reeve::units {

// Fills file, line and column of the problem; leaves it at the file when the value is not there.
void locate(const UnitFile& unit, const Finding& finding, Problem& problem);

}  // namespace reeve::units
