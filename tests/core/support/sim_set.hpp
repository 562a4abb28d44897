// Random sets of units for the simulator: every type and relation, orders without cycles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/core/support/sim_random.hpp"
#include "units/unit_file.hpp"

namespace reeve::sim {

// A growing and changing set. Unit i may be ordered after units of lower index alone, whatever
// version of either is in force, so that a stale definition cannot close a cycle either. What
// asks for others up by itself (on-failure, limit.then …) and what gates look at also follows the
// index: such a set comes to rest once the world does.
class RandomSet {
public:
    RandomSet(Random& random, std::uint32_t size);

    // The units that are present, the same pointers until change().
    [[nodiscard]] std::vector<units::UnitPtr> units() const;
    [[nodiscard]] const std::vector<std::string>& masked() const { return masked_; }

    // Removes, adds, redefines and masks a few; some get an equal definition at a new place.
    // Returns the names of those that got a different one.
    std::vector<std::string> change();
    // A unit that was absent, for AddUnit; nullptr: all are present.
    units::UnitPtr add();
    // For `run`; the name is new each time.
    units::UnitPtr transient();

    // Any name there is, now and then an alias or one that is missing.
    std::string any_name();
    [[nodiscard]] std::string event_name() const;
    [[nodiscard]] std::string path_name() const;

    static constexpr std::uint32_t events = 6;
    static constexpr std::uint32_t paths = 5;
    static constexpr std::uint32_t devices = 5;

private:
    struct Slot {
        std::uint64_t seed = 0;
        units::UnitPtr unit;  // nullptr: absent
    };
    [[nodiscard]] units::UnitPtr make(std::uint32_t index) const;
    void define(std::uint32_t index);

    Random& random_;
    std::vector<Slot> slots_;
    std::vector<bool> target_;  // by index; never changes, as wants of a target imply order
    std::vector<std::string> masked_;
    std::uint32_t transients_ = 0;
    bool crowded_ = false;  // many relations a unit, not few
};

std::string unit_name(std::uint32_t index, std::uint32_t size);

}  // namespace reeve::sim
