// The unit files as the manager knows them: the set in force, the one before it, and the next.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/core/engine.hpp"
#include "daemon/os/worker.hpp"
#include "daemon/plan.hpp"
#include "units/load.hpp"

namespace reeve {

// A set that was taken over, or may be. Moving one cannot fail.
struct DefinitionSet {
    core::ApplySet units;
    std::vector<units::Problem> problems;
    using Bad = std::map<std::string, std::vector<std::string>, std::less<>>;
    Bad bad;  // names of files that are not usable, and why; folders that cannot be read
    std::set<std::string, std::less<>> templates;
    bool of_files = true;  // false: by rollback
};

class Definitions {
public:
    Definitions(units::LoadOptions options, os::Worker& worker);

    // At boot: reads in place, what is good is taken, what is bad is told. What of `living` is an
    // instance of a template counts as asked for.
    core::ApplySet load_first(const std::set<std::string>& living = {});

    // Puts the next set together (for a rollback: takes the one before; else reads the files off
    // the loop) and compares it with what `engine` has. `done` is called on the loop, whatever
    // fails: then the plan says at which step.
    using Done = std::function<void(Plan&, DefinitionSet&)>;
    void prepare(const core::Engine& engine, const bus::ApplyOptions& options, Done done);
    // What the event does not tell of an apply, for foretell().
    [[nodiscard]] std::string note_of(const Plan& plan, const DefinitionSet& next) const;
    // `next` is in force now.
    void taken(const Plan& plan, DefinitionSet&& next) noexcept;
    [[nodiscard]] bool is_rolled_back() const noexcept { return !in_force_.of_files; }

    // Of a manager that takes over; `engine` has the set in force. load() and foretell() throw
    // std::invalid_argument.
    [[nodiscard]] std::string save() const;
    void load(std::string_view saved, const core::Engine& engine);
    void foretell(std::string_view note);  // of the next set that is remembered
    void remember(const core::Event& event);
    // Whether what save() gave has a set to go back to. Throws std::invalid_argument.
    [[nodiscard]] static bool has_before(std::string_view saved);
    // Whether the set that note_of() told of leaves one to go back to. Throws as has_before().
    [[nodiscard]] static bool changes(std::string_view note);
    [[nodiscard]] bool can_roll_back() const noexcept { return has_before_; }

    // Reads off the loop the instance NAME@i as asked for, and the instances it refers to; empty:
    // no such template, or a bad one. `meant`: NAME@i, NAME@ being the default instance.
    using Made = std::function<void(const std::string& meant, const std::vector<units::UnitPtr>&)>;
    void instance(const std::string& name, Made done);

    // Of the file of this name, the first that keeps it from being taken; empty: none.
    [[nodiscard]] std::string problem_of(std::string_view name) const;

    // Called before each step of an apply; what it throws fails the step. For tests.
    std::function<void(std::string_view step)> probe;

private:
    struct Reading;
    struct Foretold {
        bool changes = true;  // what is in force
        bool of_files = true;
        std::set<std::string, std::less<>> templates;
        DefinitionSet::Bad bad;
    };
    static Foretold read(std::string_view note);
    [[nodiscard]] bool is_change(const Plan& plan, const DefinitionSet& next) const noexcept;
    void replace(DefinitionSet&& next, bool changes) noexcept;
    void remember(const core::ApplySet& set);
    void add_refused(const DefinitionSet& next, Plan& plan) const;
    [[nodiscard]] DefinitionSet earlier() const;
    void keep_in_force(const std::vector<units::UnitPtr>& made);

    units::LoadOptions options_;
    os::Worker& worker_;
    DefinitionSet in_force_;
    DefinitionSet before_;
    bool has_before_ = false;
    std::optional<Foretold> foretold_;
    std::set<std::string, std::less<>> instances_;  // made on demand, kept across apply
};

}  // namespace reeve
