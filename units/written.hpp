// A unit as its file could say it: keys and values as TOML, to be shown and compared.
#pragma once

#include <string>
#include <vector>

#include "units/unit_file.hpp"

namespace reeve::units {

struct WrittenKey {
    std::string key;    // "service.backoff.first"
    std::string value;  // "\"100ms\"", as it could be written
};
// Each key by name, also those at their default; lists and texts that are empty are left out.
std::vector<WrittenKey> written(const UnitFile& unit);

struct KeyChange {
    std::string key;
    std::string was, is;  // empty: not set
};
// The keys in which two definitions of a unit differ, by name.
std::vector<KeyChange> changed_keys(const UnitFile& was, const UnitFile& is);

}  // namespace reeve::units
