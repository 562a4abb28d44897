// What ends a command: a code for scripts, a sentence for people that says what to do next.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace reeve::ctl {

// Exit codes of reevectl (docs/interfaces.md).
namespace code {
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int not_up = 3;
inline constexpr int no_such_unit = 4;
inline constexpr int refused = 5;
inline constexpr int no_lease = 75;
inline constexpr int timed_out = 124;
inline constexpr int no_daemon = 125;
}  // namespace code

struct Failure : std::runtime_error {
    Failure(int exit_code, std::string error_name, const std::string& message)
        : std::runtime_error{message}, code{exit_code}, name{std::move(error_name)} {}
    int code;
    std::string name;  // for programs: "NoSuchUnit", "Usage", "NoManager"
};

inline Failure usage_error(const std::string& message) {
    return Failure{code::usage, "Usage", message};
}

}  // namespace reeve::ctl
