// The registers of a call, by machine.
#pragma once

#include <sys/types.h>

namespace reeve::failcall {

// At the entry: the kernel carries nothing out.
void skip_call(pid_t thread);
// At the exit.
void set_result(pid_t thread, long result);

}  // namespace reeve::failcall
