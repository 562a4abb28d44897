// environment-file: NAME=VALUE lines, read at each start, off the loop.
#pragma once

#include <string>

#include "daemon/process_plan.hpp"
#include "units/unit_file.hpp"

namespace reeve {

// Adds its variables. Gives what is wrong, for people; empty: nothing, or an optional file that is
// not there. Reads regular files of at most 1 MiB, so that neither a FIFO nor a device holds it up.
std::string read_environment_file(const units::EnvironmentFile& file, Environment& variables);

}  // namespace reeve
