// Definitions as bytes and back, so that those in force outlive the files they were read from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "units/archive.hpp"
#include "units/unit_file.hpp"

namespace reeve::units {

// The unit with everything it says, `files` too, behind a word for the version of this form.
std::string to_bytes(const UnitFile& unit);
// Throws std::invalid_argument: not such bytes, or of another version.
UnitPtr unit_from_bytes(std::string_view bytes);

// As part of something larger: `archive(unit)`, `archive(list of units)`. Pointers are never null.
void describe(archive::Writer& out, const UnitPtr& unit);
void describe(archive::Reader& in, UnitPtr& unit);
// What neighbours in the list have in common is in memory but once, as after loading the files.
void describe(archive::Writer& out, const std::vector<UnitPtr>& units);
void describe(archive::Reader& in, std::vector<UnitPtr>& units);

}  // namespace reeve::units
