// Does off the loop what may block.
#pragma once

#include "daemon/os/worker.hpp"

namespace reeve {

using os::Worker;

}  // namespace reeve
