// Unit definitions for tests of the core, from one line: "service web requires=db type=notify".
#pragma once

#include <string>

#include "units/unit_file.hpp"

namespace reeve::core::testing {

// "service|target|device NAME key=value … flag …"; a relation's value ending in "/none" has
// `order = "none"`; several values are separated by commas. Throws std::invalid_argument.
units::UnitPtr make_unit(const std::string& line);

units::Duration duration(const std::string& text);  // "90s", "100ms", "5min", "infinity"

}  // namespace reeve::core::testing
