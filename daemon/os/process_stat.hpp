// What /proc says about one process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace reeve::os {

struct ProcessStat {
    char state = '?';  // 'Z': ended, not reaped
    pid_t parent = 0;
    std::uint32_t flags = 0;       // PF_…
    std::uint64_t start_time = 0;  // in clock ticks since boot: with the pid, an identity
    // It became a program by itself: not so between fork and exec.
    [[nodiscard]] bool executed() const noexcept { return (flags & 0x40U) == 0; }  // PF_FORKNOEXEC
    [[nodiscard]] bool ended() const noexcept { return state == 'Z' || state == 'X'; }
};

// The text of /proc/PID/stat. Its second field is chosen by the process and may hold anything.
std::optional<ProcessStat> parse_process_stat(std::string_view text);
// nullopt: errno says why. What passes at once (EINTR …) is tried again.
std::optional<ProcessStat> read_process_stat(pid_t pid);
// Is it the errno of a file in /proc that is not there, because its process is not?
bool is_no_process(int error) noexcept;

}  // namespace reeve::os
