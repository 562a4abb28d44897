#include "units/load.hpp"

#include <algorithm>
#include <set>

#include "units/loader.hpp"
#include "units/locate.hpp"
#include "units/names.hpp"

namespace reeve::units {

namespace {

// Adds to `set` what `grown` has beyond it. What was good stays so: a new instance that closes a
// loop is bad itself, and takes nobody along.
void adopt(UnitSet& set, UnitSet grown) {
    std::set<std::string> told;
    for (const Problem& problem : set.problems) told.insert(to_string(problem));
    for (Problem& problem : grown.problems)
        if (told.insert(to_string(problem)).second) set.problems.push_back(std::move(problem));
    for (auto& [name, problems] : grown.bad)
        if (!set.units.contains(name)) set.bad.try_emplace(name, std::move(problems));
    set.units.merge(grown.units);
    set.aliases.merge(grown.aliases);
    set.masked.merge(grown.masked);
}

}  // namespace

UnitSet load(const LoadOptions& options) {
    UnitSet set;
    Loader{options, set}.load_all();
    if (options.at) options.at("checking", {});
    check_set(set, locate);
    return set;
}

UnitPtr load_instance(UnitSet& set, const LoadOptions& options, std::string_view name) {
    if (UnitPtr known = set.find(name)) return known;
    if (!is_unit_name(name)) return nullptr;
    UnitSet grown;
    grown.units = set.units;
    grown.masked = set.masked;
    grown.bad = set.bad;
    Loader loader{options, grown};
    const std::string meant = loader.load_one(name);
    check_set(grown, locate);
    adopt(set, std::move(grown));
    return set.find(meant);
}

}  // namespace reeve::units
