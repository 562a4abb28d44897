// What --help prints, made from the tables of verbs and options.
#pragma once

#include <string>

#include "ctl/command.hpp"

namespace reeve::ctl {

std::string help_text();
std::string help_text(const Command& command);

}  // namespace reeve::ctl
