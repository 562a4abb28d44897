// Folders a service asked for: runtime-directory and state-directory. Blocking; for the worker.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace reeve {

// Makes `base`/NAME (and what is missing above it) for each name, mode 0755, owned by uid:gid (-1:
// left as it is). Returns "" or what failed: "mkdir /run/x: Read-only file system". Below the first
// folder of NAME no symbolic link is followed: its owner may have put it there.
std::string make_directories(const std::string& base, const std::vector<std::string>& names,
                             uid_t uid, gid_t gid);

// Removes `base`/NAME with all below it; what cannot be removed stays, and no
// link is followed. For runtime folders.
void remove_directories(const std::string& base, const std::vector<std::string>& names);

}  // namespace reeve
