// What reeved.toml says for every service: tables [service] and [log] as a unit file has them.
#pragma once

#include <string>
#include <vector>

#include "units/document.hpp"
#include "units/problem.hpp"

namespace reeve::units {

// What is wrong with the keys of `defaults`, which stand in `file`; keys are named from "service."
// or "log." on.
std::vector<Problem> check_defaults(const Node& defaults, const std::string& file);

// Lays `defaults` under a unit's document: they count where none of its files says anything. Of
// groups (`backoff`, `limit`) key by key. Documents of other things than services stay as they are.
void lay_under(Node& root, const Node& defaults);

}  // namespace reeve::units
