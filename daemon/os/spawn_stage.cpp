#include "daemon/os/spawn_stage.hpp"

namespace reeve::os {

std::string_view to_string(SpawnStage stage) noexcept {
    switch (stage) {
        case SpawnStage::clone: return "clone";
        case SpawnStage::setsid: return "setsid";
        case SpawnStage::cgroup: return "cgroup";
        case SpawnStage::limits: return "limits";
        case SpawnStage::groups: return "groups";
        case SpawnStage::user: return "user";
        case SpawnStage::chdir: return "chdir";
        case SpawnStage::descriptors: return "descriptors";
        case SpawnStage::seccomp: return "seccomp";
        case SpawnStage::exec: return "exec";
    }
    return "?";
}

}  // namespace reeve::os
