// The unit files of the place, read by the manager's own code.
#pragma once

#include "ctl/place.hpp"
#include "ctl/value.hpp"
#include "units/load.hpp"

namespace reeve::ctl {

// The search path of `place`, with this machine's host name and ids; below --root nothing of this
// machine is looked at but the files.
units::LoadOptions load_options(const Place& place);

// What Manager.Describe tells of a unit as far as its file says it: Name, Kind, Aliases, Links.
Value described(const units::UnitFile& unit);

}  // namespace reeve::ctl
