// Values to and from D-Bus messages, by their signature. For client.cpp.
#pragma once

#include <systemd/sd-bus.h>

#include <vector>

#include "ctl/client.hpp"
#include "ctl/value.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::ctl {

// Appends one argument. Throws std::system_error: a type or text that D-Bus does not allow.
void append(sd_bus_message* message, const Argument& argument);

// All arguments; a struct becomes a list, a dictionary an object. The descriptor of an argument
// of type h is duplicated into `fd`. Throws std::system_error.
std::vector<Value> read_arguments(sd_bus_message* message, posix::Fd& fd);

}  // namespace reeve::ctl
