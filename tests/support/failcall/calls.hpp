// The system calls that can be made to fail: their names, and what of their arguments decides how.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace reeve::failcall {

struct Call {
    std::uint64_t number = 0;
    std::uint64_t arguments[6] = {};
};

// "openat", "openat:creat", "read:file", "recvmsg:socket-nb" …; nullopt: not one of ours. `thread`
// is stopped at the entry of the call.
std::optional<std::string> describe(const Call& call, pid_t thread);

// A close that fails has closed all the same: it is carried out, then the error is told.
bool is_carried_out(std::uint64_t number) noexcept;

}  // namespace reeve::failcall
