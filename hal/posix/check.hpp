// Turns the two C error conventions into std::system_error, at the call.
#pragma once

#include <cerrno>
#include <system_error>

namespace reeve::posix {

// For calls that return -1 and set errno. `what` names the attempt: "open /dev/watchdog".
template <class T>
T check(T result, const char* what) {
    if (result == T{-1}) throw std::system_error{errno, std::generic_category(), what};
    return result;
}

// For libsystemd calls, which return -errno.
inline int check_sd(int result, const char* what) {
    if (result < 0) throw std::system_error{-result, std::generic_category(), what};
    return result;
}

}  // namespace reeve::posix
