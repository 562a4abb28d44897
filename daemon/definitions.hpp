// The unit files as the manager knows them: first load, plan and apply (all or nothing).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/core/engine.hpp"
#include "daemon/worker.hpp"
#include "units/load.hpp"

namespace reeve {

// What an apply would do, or did.
struct Plan {
    std::vector<units::Problem> problems;
    std::vector<std::string> added, removed, changed, masked;
    std::vector<std::string> stale;     // changed, and run on with their old definition
    std::vector<std::string> refusing;  // names whose problems keep it from being applied
    [[nodiscard]] bool refused() const { return !refusing.empty(); }
};
std::string to_json(const Plan& plan);

class Definitions {
public:
    Definitions(units::LoadOptions options, Worker& worker);

    // At boot: reads in place, what is good is taken, what is bad is told.
    core::ApplySet load_first();

    // Reads off the loop, then compares with what `engine` has. `done` gets the plan and the event
    // that would make it so.
    using Done = std::function<void(Plan, core::ApplySet)>;
    void read(const core::Engine& engine, Done done);
    // The set of this plan is in force now.
    void taken(const Plan& plan);

    // Reads off the loop the instance NAME@i as asked for, and the instances it refers to; empty:
    // no such template, or a bad one. `meant`: NAME@i, NAME@ being the default instance.
    using Made = std::function<void(const std::string& meant, const std::vector<units::UnitPtr>&)>;
    void instance(const std::string& name, Made done);

    [[nodiscard]] const std::vector<units::Problem>& problems() const { return problems_; }
    // Of the file of this name, the first that keeps it from being taken; empty: none.
    [[nodiscard]] std::string problem_of(std::string_view name) const;

private:
    core::ApplySet to_apply(units::UnitSet& set);
    Plan compare(const core::Engine& engine, units::UnitSet& set, core::ApplySet& event) const;

    units::LoadOptions options_;
    Worker& worker_;
    std::vector<units::Problem> problems_;
    using Bad = std::map<std::string, std::vector<std::string>, std::less<>>;
    Bad bad_;  // names of files that are not usable, and why
    Bad pending_bad_;
    std::set<std::string, std::less<>> instances_;  // made on demand, kept across apply
};

}  // namespace reeve
