// Where a start failed.
#pragma once

#include <cstdint>
#include <string_view>

namespace reeve::os {

enum class SpawnStage : std::uint8_t {
    clone,
    setsid,
    cgroup,
    limits,
    groups,
    user,
    chdir,
    descriptors,
    seccomp,
    exec
};
std::string_view to_string(SpawnStage stage) noexcept;

}  // namespace reeve::os
