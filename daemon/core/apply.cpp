// Definitions come, change and go (semantics §11): what runs keeps its old one until it ends.
#include <algorithm>
#include <set>

#include "daemon/core/world.hpp"

namespace reeve::core {

namespace {

bool same(const units::UnitPtr& a, const units::UnitPtr& b) {
    return a == b || (a && b && same_definition(*a, *b));
}

// The names of a set and of what else is defined.
std::set<std::string_view> names_of(const ApplySet& set, const Graph& graph) {
    std::set<std::string_view> names;
    for (const units::UnitPtr& each : set.units) names.insert(each->name);
    for (const auto& [name, unit] : graph.units())
        if (unit->definition && unit->definition->transient) names.insert(name);
    return names;
}

}  // namespace

// False: what the set says is so already.
bool World::is_changed_by(const ApplySet& set) const {
    if (set.anew || !set.restart.empty() || !refused_.empty()) return true;
    for (const units::UnitPtr& each : set.units) {
        const auto found = graph.units().find(each->name);
        if (found == graph.units().end()) return true;
        if (!same(found->second->definition, each)) return true;
    }
    const auto named = names_of(set, graph);
    const std::set<std::string_view> masked{set.masked.begin(), set.masked.end()};
    std::size_t bad = 0;
    std::size_t hidden = 0;
    for (const auto& [name, unit] : graph.units()) {
        if (unit->definition && !named.contains(name)) return true;
        if (unit->masked != masked.contains(name)) return true;
        if (unit->masked) ++hidden;
        const auto problems = set.bad.find(name);
        if (unit->is_bad() != (problems != set.bad.end())) return true;
        if (!unit->is_bad()) continue;
        if (unit->seldom->problems != problems->second) return true;
        ++bad;
    }
    return hidden != masked.size() || bad != set.bad.size();
}

// The set's own copies of what means the same: they know where they were read.
void World::adopt(const ApplySet& set) noexcept {
    for (const units::UnitPtr& each : set.units)
        graph.units().find(each->name)->second->definition = each;
}

// Only relations of what the set changes are made anew, unless names mean others now.
void World::on(const ApplySet& set) {
    const auto named = names_of(set, graph);
    std::vector<units::UnitPtr> all = set.units;
    for (const auto& [name, unit] : graph.units()) {
        if (unit->definition && unit->definition->transient)
            all.push_back(unit->definition);
        else if (unit->runs() && !named.contains(name))  // removed, it keeps its aliases
            all.push_back(unit->stale() ? unit->seldom->of_run : unit->definition);
    }
    const bool renamed = graph.set_aliases(all);
    UnitsByName changed;
    stand_as(set, named, changed);
    for (const units::UnitPtr& each : set.units) {
        Unit& unit = graph.exactly(each->name);
        if (!same(unit.definition, each)) {
            changed.insert(&unit);
            if (!unit.runs()) facts.drop_gate(unit);
        }
        define(unit, each);
    }
    if (renamed || set.anew) {
        rewire_all();
    } else {
        for (Unit* unit : UnitsByName{refused_}) {  // there may be such a device now
            return_leases(*unit);
            changed.insert(unit);
        }
        rewire(changed);
        facts.tidy();
        for (const auto& [name, unit] : graph.units()) touch(*unit);  // in one order, by name
    }

    for (const std::string& name : set.restart) {
        Unit* unit = graph.find(name);
        if (unit == nullptr || !unit->definition || !unit->stale()) continue;
        unit->bounce = true;
        rederive(*unit);
    }
}

// Which names are masked, bad or not defined any more.
void World::stand_as(const ApplySet& set, const std::set<std::string_view>& named,
                     UnitsByName& changed) {
    const std::set<std::string_view> masked{set.masked.begin(), set.masked.end()};
    for (const std::string& name : set.masked) graph.exactly(name);
    for (const auto& [name, problems] : set.bad) graph.exactly(name);
    for (const auto& [name, unit] : graph.units()) {
        const auto bad = set.bad.find(name);
        const bool is_bad = bad != set.bad.end();
        if (is_bad != unit->is_bad() || unit->masked != masked.contains(name))
            changed.insert(unit.get());
        if (is_bad)
            unit->edit().problems = bad->second;
        else if (unit->is_bad())
            unit->seldom->problems.clear();
        unit->masked = masked.contains(name);
        if (unit->definition && !named.contains(name)) {
            changed.insert(unit.get());
            undefine(*unit);
        }
        // Masked until now, and no file came in its place: nothing of it is remembered.
        if (unit->masked || named.contains(name) || unit->asked == Asked::none) continue;
        unit->asked = Asked::none;
        changed.insert(unit.get());
    }
}

void World::on(const AddUnit& news) {
    Unit& unit = add_unit(news.unit);
    touch(unit);
}

// One more definition, without a look at the others.
Unit& World::add_unit(const units::UnitPtr& definition) {
    Unit& unit = graph.exactly(definition->name);
    facts.drop_gate(unit);
    define(unit, definition);
    std::vector<Unit*> named_by_alias;
    for (const std::string& alias : definition->aliases)
        for (Unit* each : graph.add_alias(alias, unit)) named_by_alias.push_back(each);
    for (Unit* each : named_by_alias) rewire(*each);
    rewire(unit);
    return unit;
}

// True when the unit's definition is another one now.
bool World::define(Unit& unit, const units::UnitPtr& definition) {
    if (same(unit.definition, definition)) {
        unit.definition = definition;
        return false;
    }
    if (unit.stale() && same(unit.seldom->of_run, definition)) {  // back to what the run has
        unit.definition = definition;
        unit.seldom->of_run.reset();
        --stale_;
        return false;
    }
    if (unit.runs() && !unit.stale()) keep_for_run(unit);
    const bool changed = unit.definition != nullptr;
    unit.definition = definition;
    unit.defined_once = true;
    if (unit.runs()) return true;
    give_up_start(unit);
    unwatch_gate(unit);
    unit.machine.forget_counters();
    unit.reset = false;
    drive(unit, [&](Turn turn) { unit.machine.wait_anew(turn); });
    if (changed && is_at_rest(unit.state()))
        drive(unit, [&](Turn turn) { unit.machine.come_down("definition changed", turn); });
    return true;
}

void World::keep_for_run(Unit& unit) {
    unit.edit().of_run = unit.definition;
    ++stale_;
}

// A removed unit must go; gone, it is forgotten. Of a masked one is kept what was asked.
void World::undefine(Unit& unit) {
    facts.drop_gate(unit);
    if (unit.runs() && !unit.stale()) keep_for_run(unit);
    if (!unit.runs()) give_up_start(unit);
    const units::UnitPtr had = std::exchange(unit.definition, nullptr);
    if (!unit.masked) unit.asked = Asked::none;
    if (!unit.runs())
        for (Unit* each : graph.drop_aliases(unit)) rewire(*each);
    unwatch_gate(unit);
    rewire(unit);
}

// The relations are those of the definition each lives by. What is known of the paths it watches
// stays known: the shell tells it once.
void World::rewire(const UnitsByName& units) {
    UnitsByName around = units;
    const auto note = [&](const Unit& unit) {
        for (const Edge& edge : unit.edges) around.insert(edge.other);
    };
    for (Unit* unit : units) {
        note(*unit);
        graph.wire(*unit);
        mend_bonds(*unit);
        facts.add_gate(*unit);
        note(*unit);
    }
    for (Unit* each : around) {
        rederive(*each);
        touch(*each);
        requests.look_at(*each);
    }
}

// An alias may be nobody's now, or another's: what the run is bound to is no longer named then, and
// may be forgotten at any time.
void World::mend_bonds(Unit& unit) {
    if (!unit.seldom) return;
    const auto is_named = [&](const BoundRun& bound) {
        return std::ranges::any_of(unit.edges, [&](const Edge& edge) {
            return edge.outgoing && edge.bond == Bond::binds_to && edge.other == bound.to;
        });
    };
    auto& bonds = unit.seldom->bound;
    std::erase_if(bonds, [&](const BoundRun& b) { return !b.is_lost() && !is_named(b); });
    for (BoundRun& bound : bonds)
        if (!is_named(bound)) bound.to = nullptr;
}

void World::rewire_all() {
    graph.wire_all();
    facts.drop_gates();
    for (const auto& [name, unit] : graph.units()) {
        mend_bonds(*unit);
        facts.add_gate(*unit);
    }
    facts.tidy();
    for (const auto& [name, unit] : graph.units()) {
        unit->support = {};
        if (unit->leases == Leases::refused) return_leases(*unit);
    }
    for (const auto& [name, unit] : graph.units()) {
        rederive(*unit);
        touch(*unit);
        requests.look_at(*unit);
    }
}

// Of the results of transient units at most 1,000 are kept.
bool World::forget_the_oldest() {
    constexpr std::size_t most_results = 1'000;
    if (results.size() <= most_results) return false;
    Unit* oldest = graph.find(results.front());
    results.pop_front();
    if (oldest != nullptr) undefine(*oldest);
    return true;
}

// Units without a definition that have come to an end: their ids are dead. A name that others
// use stays, under a new id.
void World::retire_the_gone() {
    std::vector<Unit*> gone = std::exchange(gone_, {});
    std::ranges::sort(gone, ByName{});
    gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
    for (Unit* unit : gone) {
        if (unit->definition || unit->state() != State::down) continue;
        if (unit->named_in_wait) {  // the answer tells of it
            gone_.push_back(unit);
            continue;
        }
        if (unit->defined_once) out_.emplace_back(Removed{unit->id, std::string{unit->name}});
        if (unit == last_target) last_target = nullptr;
        std::erase(results, unit->id);
        std::erase(joining_, unit);
        deadlines.set(*unit, never);
        if (!Graph::is_named(*unit) && !unit->is_bad()) {
            std::erase(touched_, unit);
            graph.erase(*unit);
            continue;
        }
        if (!unit->defined_once) continue;
        unit->machine = {};
        const bool bad = unit->is_bad();
        auto problems = bad ? std::move(unit->seldom->problems) : std::vector<std::string>{};
        unit->seldom.reset();
        if (bad) unit->edit().problems = std::move(problems);
        unit->asked = Asked::none;
        unit->defined_once = unit->kept = unit->bounce = unit->reset = false;
        unit->lost_tests = 0;  // answers to the old id go nowhere
        graph.renumber(*unit);
        rederive(*unit);  // what went with it, for what was asked of it, is free again
        touch_those_held_up_by(*unit);
    }
}

}  // namespace reeve::core
