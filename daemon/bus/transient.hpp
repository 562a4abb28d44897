// The definition of a transient unit, from the arguments of Run.
#pragma once

#include <string>

#include "daemon/bus/access.hpp"
#include "daemon/bus/dictionary.hpp"
#include "units/unit_file.hpp"

namespace reeve::bus {

// name empty: one is made up. The unit runs as its caller; only root chooses another user. Throws
// Refusal with what is wrong.
units::UnitPtr make_transient(std::string name, Dictionary& definition, const Credentials& caller,
                              const Access& access);

}  // namespace reeve::bus
