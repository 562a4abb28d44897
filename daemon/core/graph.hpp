// All units by name, alias and id, and their relations both ways. Names that no file defines are
// units without a definition, so that relations to them exist before they do.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/core/unit_machine.hpp"

namespace reeve::core {

struct Unit;

// `before`, `wanted-by` and `required-by` are their opposites seen from the other end.
enum class Bond : std::uint8_t {
    after,
    requires_,
    wants,
    binds_to,
    requisite,
    part_of,
    conflicts,
    on_failure,
    on_success,
    gate,  // its gate names that the other is up
};

// One relation as one of its two ends sees it.
struct Edge {
    Unit* other = nullptr;
    Bond bond{};
    bool outgoing = false;  // this end has the key: it is what requires, comes after, …
    bool ordered = false;   // implies `after` (wants: in a target, if no opposite order is written)
    bool mine = false;      // written in this end's definition, not in the other's
};

// Pulls what it names: requires, wants, binds-to.
bool pulls(Bond bond) noexcept;
// Line 1 of semantics §4: requires, binds-to, requisite.
bool must_be_up(Bond bond) noexcept;
// Goes when the other must go: requires, binds-to, requisite, part-of.
bool shares_fate(Bond bond) noexcept;

// How far a unit that waits has come before its start (semantics §4, line 4 and 5).
enum class Tests : std::uint8_t { none, asked, passed };
constexpr Tests last_of(Tests) noexcept {
    return Tests::passed;
}
enum class Leases : std::uint8_t { none, asked, held, refused };
constexpr Leases last_of(Leases) noexcept {
    return Leases::refused;
}

// A run of another unit that this run is bound to; run 0: the first that comes up from now.
struct BoundRun {
    Unit* to = nullptr;  // nullptr: lost, and the unit forgotten since
    RunId run{};
    [[nodiscard]] bool is_lost() const noexcept;
};

// What few units have.
struct Seldom {
    units::UnitPtr of_run;  // while it runs with another definition than the current one
    std::string asked_by;
    std::string hindered;               // by something outside the model
    std::vector<std::string> problems;  // of its file, which counts as missing
    std::vector<BoundRun> bound;        // of the current run
};

struct Unit {
    std::string_view name;      // the key in Graph
    units::UnitPtr definition;  // nullptr: named by others but missing, or removed and still going
    std::vector<Edge> edges;    // sorted, so that what follows does not hang on how they came
    UnitMachine machine;
    std::unique_ptr<Seldom> seldom;
    // Why a derived property holds: itself, another unit that has it; nullptr: it does not hold.
    std::array<Unit*, 4> support{};
    Unit* witness = nullptr;   // a unit that is in the way of its start or stop
    std::uint32_t cursor = 0;  // where in `edges` the witness was found
    std::uint32_t heap_place = ~0U;
    UnitId id{};
    std::uint32_t lost_tests = 0;  // questions whose answers are void
    Asked asked = Asked::none;
    Tests tests = Tests::none;
    Leases leases = Leases::none;
    bool kept = false;
    bool bounce = false;
    bool masked = false;
    bool touched = false;
    bool defined_once = false;   // its id has been told to the shell
    bool renewed = false;        // came to rest while a changed definition waited for its end
    bool watched = false;        // its gate is watched by the shell
    bool reset = false;          // down by reset-failed: at rest, as when failed
    bool named_in_wait = false;  // a request waits for it

    [[nodiscard]] State state() const noexcept { return machine.state(); }
    [[nodiscard]] bool runs() const noexcept { return is_running(machine.state()); }
    [[nodiscard]] bool is_up() const noexcept {
        return machine.state() == State::up || machine.state() == State::reloading;
    }
    [[nodiscard]] bool stale() const noexcept { return seldom && seldom->of_run; }
    // The definition it lives by: that of its run while it runs. nullptr: missing.
    [[nodiscard]] const units::UnitFile* file() const noexcept {
        return stale() ? seldom->of_run.get() : definition.get();
    }
    [[nodiscard]] bool is_target() const noexcept {
        return file() != nullptr && file()->kind == units::Kind::target;
    }
    // Its file has problems, and counts as missing.
    [[nodiscard]] bool is_bad() const noexcept { return seldom && !seldom->problems.empty(); }
    // Who asked it up or down; may be empty.
    [[nodiscard]] std::string_view asked_by() const noexcept {
        return seldom ? std::string_view{seldom->asked_by} : std::string_view{};
    }
    [[nodiscard]] Seldom& edit() {
        if (!seldom) seldom = std::make_unique<Seldom>();
        return *seldom;
    }
};

inline bool BoundRun::is_lost() const noexcept {
    return run != RunId{0} && (to == nullptr || !to->is_up() || to->machine.run() != run);
}

struct ByName {
    bool operator()(const Unit* a, const Unit* b) const noexcept { return a->name < b->name; }
};
using UnitsByName = std::set<Unit*, ByName>;

// Does `edge` of `unit` say that `unit` comes after the other end, or before it?
bool comes_after(const Unit& unit, const Edge& edge) noexcept;
bool comes_before(const Unit& unit, const Edge& edge) noexcept;

class Graph {
public:
    using Units = std::map<std::string, std::unique_ptr<Unit>, std::less<>>;

    [[nodiscard]] Unit* find(UnitId id) const;
    // By name or alias, a unit without definition too; nullptr: nobody has spoken of it.
    [[nodiscard]] Unit* find(std::string_view name) const;
    // As find, and made if need be.
    Unit& at(std::string_view name);
    // Never by alias.
    Unit& exactly(std::string_view name);
    void erase(Unit& unit);
    // The id is dead; what is left of the unit is a name that others use, under a new id.
    void renumber(Unit& unit);
    [[nodiscard]] const Units& units() const noexcept { return units_; }

    // One more alias. Returns the units whose relations named it when it was nobody's.
    std::vector<Unit*> add_alias(std::string_view alias, const Unit& unit);
    // The unit's aliases are nobody's now. Returns the units whose relations may have used them.
    std::vector<Unit*> drop_aliases(const Unit& unit);
    bool set_aliases(const std::vector<units::UnitPtr>& definitions);  // true: others than before
    // Puts the relations of the definition the unit lives by in place of those it had.
    void wire(Unit& unit);
    void wire_all();  // of all units, from nothing
    void unwire(Unit& unit);
    // Whether anybody else's definition names it.
    [[nodiscard]] static bool is_named(const Unit& unit) noexcept;

    // For load(): the unit with this id, and the next id to give.
    Unit& restore(std::string_view name, UnitId id);
    [[nodiscard]] std::uint32_t next_id() const noexcept { return next_id_; }
    void set_next_id(std::uint32_t id) noexcept { next_id_ = id; }
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& aliases() const noexcept {
        return aliases_;
    }

private:
    void wire_own(Unit& unit);
    void link(Unit& owner, const units::Link& link);
    static std::vector<Unit*> namers(const Unit& unit);
    void join(Unit& from, Unit& to, Bond bond, bool ordered, bool owner_is_from) const;
    void add(Unit& unit, const Edge& edge) const;

    Units units_;
    std::map<std::string, std::string, std::less<>> aliases_;  // to the name
    std::unordered_map<std::uint32_t, Unit*> by_id_;           // looked up, never walked
    std::uint32_t next_id_ = 1;
    bool sorts_later_ = false;  // edges are appended now and sorted at the end
};

}  // namespace reeve::core
