// What predicates speak of: events (latches), paths and devices, and which gates name them
// (semantics §8). Whether a unit is up is asked of the unit itself.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/graph.hpp"

namespace reeve::core {

enum class Truth : std::uint8_t { no, unknown, yes };
constexpr Truth last_of(Truth) noexcept {
    return Truth::yes;
}
Truth operator!(Truth truth) noexcept;

// Set while a mark is on it, or a unit with it in `sets` is up.
struct Latch {
    bool marked = false;
    UnitsByName setters;   // that are up
    UnitsByName watchers;  // whose gate names it
    [[nodiscard]] bool is_set() const noexcept { return marked || !setters.empty(); }
};

// A path or a device.
struct Fact {
    Truth truth = Truth::unknown;
    UnitsByName watchers;
};

class Facts {
public:
    using Latches = std::map<std::string, Latch, std::less<>>;
    using Table = std::map<std::string, Fact, std::less<>>;

    // The gate of the unit's definition counts from now on, or no longer.
    void add_gate(Unit& unit);
    void drop_gate(Unit& unit);
    void drop_gates();
    void tidy();  // forgets what nobody names
    // Nobody has the path watched any more: what was known of it is old.
    void forget_unwatched_paths(const Unit& unit);

    [[nodiscard]] Latch& event(std::string_view name);
    [[nodiscard]] Fact* path(std::string_view name);
    [[nodiscard]] Fact& device(std::string_view name);
    [[nodiscard]] const Latches& events() const noexcept { return events_; }
    [[nodiscard]] const Table& paths() const noexcept { return paths_; }
    [[nodiscard]] const Table& devices() const noexcept { return devices_; }
    void restore_path(std::string_view name, Truth truth);

    // `existing` (sorted) answers for the paths of one test; nullptr: what is watched does.
    [[nodiscard]] Truth truth(const units::Predicate& predicate, const Graph& graph,
                              const std::vector<std::string>* existing = nullptr) const;
    [[nodiscard]] Truth truth(const std::vector<units::Predicate>& all, const Graph& graph,
                              const std::vector<std::string>* existing = nullptr) const;

private:
    [[nodiscard]] Truth leaf(const units::Predicate& predicate, const Graph& graph,
                             const std::vector<std::string>* existing) const;
    void walk(Unit& unit, const units::Predicate& predicate, bool add);
    Latches events_;
    Table paths_;
    Table devices_;
};

// Whether the shell is needed to know them.
bool names_a_path(const std::vector<units::Predicate>& predicates) noexcept;

}  // namespace reeve::core
