// What `run` asks for: the definition of a unit that is as its caller is.
#pragma once

#include <string>
#include <string_view>

#include "ctl/client.hpp"
#include "ctl/options.hpp"

namespace reeve::ctl {

// "run-COMMAND-3f2a91". Made here, not by the manager: the name must be known when the connection
// is lost and the request is sent again.
std::string made_up_name(std::string_view command);

// Command (its first word found in PATH), environment, folder, umask, and what the options say.
// Throws Failure: no such command.
Argument transient_definition(const Arguments& arguments);

// Absolute: as given, below the present folder, or found in PATH. Throws Failure.
std::string find_program(const std::string& word);

}  // namespace reeve::ctl
