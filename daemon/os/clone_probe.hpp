// Whether a child can be born in a cgroup. Linux since 6.15 kills it at once when the cgroup of its
// parent was ever written to with cgroup.kill, or that of the child, and the other was not.
#pragma once

namespace reeve::os {

// Starts a child in `cgroup` (an empty one, made just now), which ends at once. False: it was
// killed before it ran. True also where it could not be tried. Waits for the child.
bool can_be_born_in(int cgroup) noexcept;

}  // namespace reeve::os
