// org.reeve1.Manager as a vtable; its userdata is the Connection.
#pragma once

#include <systemd/sd-bus.h>

namespace reeve::bus {

const sd_bus_vtable* manager_vtable();

}  // namespace reeve::bus
