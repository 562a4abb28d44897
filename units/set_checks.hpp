// What can only be seen of all units together. Each finding knows which value of which unit it is
// about, so that whoever has the files can tell the line.
#pragma once

#include <string>
#include <vector>

#include "units/unit_set.hpp"

namespace reeve::units {

struct Finding {
    Severity severity = Severity::error;
    std::string unit;
    std::string table;  // "unit"
    std::string key;    // "after"
    std::string value;  // of a list: the item it is about; may be empty
    std::string text;
    bool fatal = false;  // the unit counts as missing
};

// Fills `set.aliases` with those that are good.
std::vector<Finding> check_aliases(UnitSet& set);
std::vector<Finding> check_cycles(const UnitSet& set);
// Names that are missing, events that nothing sets, limits that cannot be reached.
std::vector<Finding> check_references(const UnitSet& set);
std::vector<Finding> check_limits(const UnitSet& set);

// Finds where in the unit's files a finding stands: fills file, line and column.
using Locate = void (*)(const UnitFile& unit, const Finding& finding, Problem& problem);
// As check_set(set), with places.
void check_set(UnitSet& set, Locate locate);

}  // namespace reeve::units
