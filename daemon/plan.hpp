// What an apply would do, or did: the set of unit files against what is in force.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/bus/backend.hpp"
#include "daemon/core/engine.hpp"
#include "units/problem.hpp"
#include "units/written.hpp"

namespace reeve {

struct Plan {
    struct Changed {
        std::string unit;
        std::vector<units::KeyChange> keys;
    };
    struct Refused {
        std::string unit;  // or the folder that cannot be read
        std::vector<std::string> problems;
    };
    std::string failed;  // the step that went wrong, and why: "checking: out of memory"
    std::vector<Refused> refused;
    std::vector<units::Problem> problems;  // of all files, warnings too
    std::vector<std::string> added, removed, masked;
    std::vector<Changed> changed;
    std::vector<std::string> restarted;
    std::vector<std::string> stale;  // run on with an older definition than the set's
    std::uint64_t unchanged = 0;     // left alone
    bool rolled_back = false;        // what is in force now came by rollback, not from the files

    [[nodiscard]] bool is_refused() const { return !refused.empty() || !failed.empty(); }
};
// docs/json/plan.schema.json, without `applied`.
std::string to_json(const Plan& plan);

// Fills in what `next` would change. Names in `next.restart` what of it is to restart. Sets
// `failed` where a restart is asked for that cannot be.
void compare(const core::Engine& engine, const bus::ApplyOptions& options, core::ApplySet& next,
             Plan& plan);

}  // namespace reeve
