// All units together: one consistent set, or what keeps it from being one. Reads no file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "units/problem.hpp"
#include "units/unit_file.hpp"

namespace reeve::units {

// The outcome of a load: good units by name, and what is masked, bad or merely a template.
struct UnitSet {
    std::map<std::string, UnitPtr, std::less<>> units;             // good ones, instances included
    std::map<std::string, std::string, std::less<>> aliases;       // alias → name, of good ones
    std::map<std::string, std::string, std::less<>> masked;        // name → file
    std::map<std::string, std::string, std::less<>> templates;     // "getty@" → file
    std::map<std::string, std::vector<Problem>, std::less<>> bad;  // count as missing
    std::vector<std::string> unreadable;  // folders: what they hold is missing from all of this
    std::vector<Problem> problems;        // all, warnings too, in file order

    // The unit of this name or alias; nullptr: none.
    UnitPtr find(std::string_view name) const;
};

// Checks the set as a whole: names that are missing, aliases taken twice, ordering cycles with the
// loop shown, gates on events that nothing sets, limits that the delays can never reach. Units on
// a cycle, or with an alias that another has too, move from `units` to `bad`; a unit that requires
// what is missing stays, and waits. Fills `aliases`.
void check_set(UnitSet& set);

}  // namespace reeve::units
