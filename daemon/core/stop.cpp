// When a unit must go, and when it is told (semantics §5).
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

// asked is down; bounce; masked or removed by apply; shutdown; it runs and is no longer wanted.
template <>
bool GoRule<1>::base(const Unit& unit) const noexcept {
    return unit.asked == Asked::down || unit.bounce || unit.masked ||
           world->phase == Phase::going || (unit.runs() && (!unit.definition || !is_wanted(unit)));
}

// It runs and has lost a gate with `gate-lost`, or a `binds-to`.
template <>
bool GoRule<2>::base(const Unit& unit) const noexcept {
    return unit.runs() && (world->bond_lost(unit) || world->gate_is_lost(unit));
}

// A bond is lost when the run it holds to is no longer up.
bool World::bond_lost(const Unit& unit) noexcept {
    if (!unit.seldom) return false;
    return std::ranges::any_of(unit.seldom->bound, &BoundRun::is_lost);
}

// Told to go when no unit ordered after it both runs and must go.
void World::try_go(Unit& unit) {
    if (held_by_later(unit) && !holds_itself_up(unit)) return;
    const Going why = goes_by_decision(unit) ? Going::decision : Going::loss;
    drive(unit, [&](Turn turn) { unit.machine.go(why, go_reason(unit), turn); });
}

bool World::held_by_later(Unit& unit) {
    unit.witness = nullptr;
    const auto count = static_cast<std::uint32_t>(unit.edges.size());
    if (unit.cursor >= count) unit.cursor = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Edge& edge = unit.edges[unit.cursor];
        if (comes_before(unit, edge) && edge.other->runs() && must_go(*edge.other)) {
            unit.witness = edge.other;
            return true;
        }
        if (++unit.cursor == count) unit.cursor = 0;
    }
    return false;
}

// What runs keeps its old order, so old and new orders together may form a ring; each of it would
// wait for the next. Nothing else does: a set with a ring is refused.
bool World::holds_itself_up(const Unit& unit) const {
    if (stale_ == 0) return false;
    std::size_t steps = graph.units().size();
    for (const Unit* next = unit.witness; next != nullptr && steps > 0; next = next->witness) {
        if (next == &unit) return true;
        const bool held = next->state() == State::starting || next->is_up();
        if (!held) return false;
        --steps;
    }
    return steps == 0;
}

std::string World::go_reason(const Unit& unit) const {
    if (unit.bounce) return "restart";
    if (unit.masked) return "masked";
    if (!unit.definition) return "removed";
    if (unit.asked == Asked::down) return "asked down by " + std::string{unit.asked_by()};
    if (phase == Phase::going) return "shutdown";
    const bool decided = goes_by_decision(unit);
    if (decided && !is_wanted(unit)) return "no longer wanted";
    for (const Edge& edge : unit.edges)
        if (decided ? DecisionRule::supports(edge) : LossRule::supports(edge))
            return std::string{edge.other->name} + " must go";
    return bond_lost(unit) ? "what it is bound to is no longer up" : "gate lost";
}

void World::return_leases(Unit& unit) {
    const Leases had = std::exchange(unit.leases, Leases::none);
    if (had == Leases::refused) refused_.erase(&unit);
    if (had == Leases::asked || had == Leases::held) out_.emplace_back(ReturnLeases{unit.id});
}

}  // namespace reeve::core
