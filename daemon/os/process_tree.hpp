// What /proc tells of processes: who descends from us, and of which run they say they are.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::os {

// A process that cannot be mistaken for a later one of the same number.
struct ProcessId {
    pid_t pid = 0;
    std::uint64_t start = 0;  // clock ticks since boot; 0: it is gone
    friend auto operator<=>(const ProcessId&, const ProcessId&) = default;
};

struct ProcessInfo {
    ProcessId id;
    pid_t parent = 0;
    pid_t session = 0;
    bool zombie = false;
};

ProcessInfo process_info(pid_t pid);  // id.start 0: it is gone

// All below us, or below `root` but ourselves; parents before their children, zombies left out.
std::vector<ProcessInfo> descendants(pid_t root = 0);

// The value of REEVE_RUN in its environment; empty: none, or not ours to read. A program that
// writes its title over the environment has none.
std::string run_mark(pid_t pid);
// The same of any variable.
std::string variable_of(pid_t pid, std::string_view name);

// It has a new memory, but exec has not yet put arguments and environment there: nothing can be
// told from them. Lasts microseconds, unless the file system of its program hangs.
bool is_in_exec(pid_t pid);

bool in_cgroup(pid_t pid, std::string_view path);  // or in one below it

bool has_proc();  // false: /proc is not mounted, so that nothing of the above can be told

// Sends through a pidfd, if it is still that process. With start 0: to the group it led, which
// keeps its number for as long as one of it is left.
bool send_signal(const ProcessId& process, int signal);

}  // namespace reeve::os
