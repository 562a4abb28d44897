// The filter of `children = false`: threads yes, processes no.
#pragma once

#include <linux/filter.h>

namespace reeve::os {

// fork, vfork and clone without CLONE_THREAD give EPERM; clone3, whose flags a filter cannot see,
// gives ENOSYS, so that the C library falls back to clone. nullptr: architecture not known.
const sock_fprog* no_new_processes() noexcept;

}  // namespace reeve::os
