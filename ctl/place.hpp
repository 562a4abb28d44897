// Where the manager that is meant lives: its socket, its unit files, its logs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/options.hpp"

namespace reeve::ctl {

struct Place {
    bool system = true;
    bool offline = false;                  // --root: files only
    std::string host;                      // -H: through ssh; else empty
    std::vector<std::string> far_options;  // of `reevectl bridge` on that host
    std::string bus;                       // --bus: "system", "session" or an address; else empty
    std::string socket;                    // of the private connection
    std::string root;                      // --root, without a trailing slash
    std::vector<std::string> folders;      // of unit files, the first wins
    std::string logs;                      // folder with UNIT/current

    // From the options and the environment (REEVE_SOCKET, XDG_*). Throws Failure (usage) for
    // options that exclude each other.
    static Place find(const Arguments& arguments);

    // True when the folder of `file` is one of `folders`.
    [[nodiscard]] bool holds(std::string_view file) const;
};

}  // namespace reeve::ctl
