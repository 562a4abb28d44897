// How units ended, as `wait` and `run` tell it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace reeve::ctl {

struct Ending {
    std::string unit;
    std::string state;  // down, done, failed
    std::uint64_t run = 0;
    int code = 0;
    int signal = 0;
    std::string result;
};

// Blocks until all have ended; without a limit as long as it takes. Throws Failure (time-out, no
// such unit).
std::vector<Ending> wait_for(Context& context, const std::vector<std::string>& units,
                             std::optional<Duration> limit);
// One ending out of a reply of Manager.Wait.
Ending ending_of(const Value& row);
// The request Manager.Wait; `limit`: nullopt, as long as it takes.
Request wait_request(const std::vector<std::string>& units, std::optional<Duration> limit);

// The child's own code; 128+n for a signal; 75 when its leases did not come; 1 when it could not
// be started or was stopped for a reason of ours.
int exit_code_of(const Ending& ending);
std::string to_text(const Ending& ending);  // "done, exit code 0", "failed, signal 9 (KILL)"
Value to_value(const Ending& ending);       // docs/json/wait.schema.json

}  // namespace reeve::ctl
