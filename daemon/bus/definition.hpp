// A unit's definition as an a{sv}, for Manager.Definition.
#pragma once

#include <systemd/sd-bus.h>

#include "units/unit_file.hpp"

namespace reeve::bus {

// Keys as in a unit file; what is empty is left out. all: with commands and environment; else they
// are named in `withheld`. nullptr: an empty dictionary.
void append_definition(sd_bus_message* message, const units::UnitFile* unit, bool all);

}  // namespace reeve::bus
