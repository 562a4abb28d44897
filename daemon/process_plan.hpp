// From a unit's definition to the plan of one process: words expanded, environment made.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/core/action.hpp"
#include "daemon/os/accounts.hpp"
#include "daemon/os/children.hpp"
#include "units/unit_file.hpp"

namespace reeve {

using Environment = std::map<std::string, std::string>;

// What the environment of every process of a run is made of.
struct RunFacts {
    std::string unit;
    core::RunId run{};
    std::string invocation_id;             // 32 hex
    std::string notify_socket;             // empty: none
    std::string runtime_base;              // "/run"
    std::string state_base;                // "/var/lib"
    Environment file_variables;            // of environment-file, already read
    const os::Account* account = nullptr;  // nullptr: as the manager
};

// The environment of interfaces.md: PATH, [environment] of reeved.toml, the account, the unit's
// own, its files (which win, as in systemd), then what Reeve tells. Nothing is inherited.
Environment make_environment(const units::UnitFile& unit, const Environment& manager_wide,
                             const RunFacts& facts);

// What a stop, stop-post, reload or start-post command may know of the main process.
void add_main_process(Environment& environment, pid_t main_pid);
void add_exit(Environment& environment, const std::optional<core::ExitStatus>& ended,
              core::Result result);

// One process: argv expanded, limits and place set; descriptors and identity are the caller's.
// Unset variables are named in `unset`, to be told to the operator.
os::SpawnPlan make_plan(const units::UnitFile& unit, const units::Command& command,
                        const Environment& environment, std::vector<std::string>& unset);

// The text of an environment file: NAME=value lines, quotes, comments, as systemd reads them.
Environment parse_environment_file(std::string_view text);

}  // namespace reeve
