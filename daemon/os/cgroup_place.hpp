// Where in the cgroup v2 hierarchy we are, from what /proc says. Pure: texts in, path out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reeve::os {

struct CgroupPlace {
    std::string folder;  // in the file system: "/sys/fs/cgroup/unified/a/b"
    std::string path;    // as /proc/PID/cgroup names it: "/a/b"
};

// nullopt: no v2 hierarchy is mounted, or we are outside of what is mounted.
std::optional<CgroupPlace> own_cgroup(std::string_view mountinfo, std::string_view proc_cgroup);

// The path of the v2 cgroup in a /proc/PID/cgroup; empty: none.
std::string_view v2_path(std::string_view proc_cgroup);

// A name for the file system that no other unit has: what is not plain becomes \xHH, an
// underscore in front is doubled; long ones are cut and told apart by a hash.
std::string escape_cgroup_name(std::string_view name);

}  // namespace reeve::os
