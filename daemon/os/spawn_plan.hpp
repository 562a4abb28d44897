// What a start needs to know.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/os/spawn_stage.hpp"

namespace reeve::os {

// Everything about a start, prepared before it. Owns its strings; borrows the descriptors, which
// must stay open until Started or NotStarted comes.
struct SpawnPlan {
    std::vector<std::string> argv;  // argv[0] absolute
    std::vector<std::string> env;   // "NAME=value"
    std::string directory = "/";
    struct Identity {
        uid_t uid = 0;
        gid_t gid = 0;
        std::vector<gid_t> groups;
    };
    std::optional<Identity> identity;  // nullopt: as the manager
    std::optional<mode_t> umask;       // nullopt: 0022
    std::optional<rlim_t> nofile;      // soft and hard; nullopt: as the manager was started with
    int out = -1;                      // stdout; -1: /dev/null. stdin is always /dev/null
    int err = -1;                      // stderr; -1: /dev/null
    int extra = -1;                    // a further descriptor …
    int extra_as = -1;                 // … given to the child as this number
    int cgroup = -1;                   // of the unit's cgroup; -1: a process group alone
    bool join_by_hand = false;         // it is not born there, it writes itself into it
    bool refuse_children = false;      // a seccomp filter: no fork, but threads
    bool ignore_sigpipe = false;
};

}  // namespace reeve::os
