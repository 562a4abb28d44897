// What people ask: why a unit is not up, what would go with it, what is known of it.
#include <algorithm>
#include <map>

#include "daemon/core/world.hpp"

namespace reeve::core {

namespace {

std::string_view key_of(Bond bond) noexcept {
    switch (bond) {
        case Bond::after: return "after";
        case Bond::requires_: return "requires";
        case Bond::wants: return "wants";
        case Bond::binds_to: return "binds-to";
        case Bond::requisite: return "requisite";
        case Bond::part_of: return "part-of";
        case Bond::conflicts: return "conflicts";
        case Bond::on_failure: return "on-failure";
        case Bond::on_success: return "on-success";
        case Bond::gate: return "gate";
    }
    return "";
}

std::string_view condition_of(const Unit& unit) noexcept {
    if (unit.masked) return "masked";
    if (unit.is_bad()) return "its file has problems";
    if (unit.file() == nullptr) return "missing";
    if (unit.asked == Asked::down && !unit.runs()) return "asked down";
    if (unit.reset) return "reset-failed";
    return to_string(unit.state());
}

}  // namespace

// Of a unit that is wanted and does not run: each unmet condition of semantics §4; of others, what
// they are at. `all` false: the first is enough.
std::vector<Reason> World::why(const Unit& unit, bool all) const {
    std::vector<Reason> reasons;
    const auto add = [&](std::string_view kind, std::string what) {
        const bool known = std::ranges::any_of(
            reasons, [&](const Reason& r) { return r.kind == kind && r.what == what; });
        if (!known) reasons.push_back({std::string{kind}, std::move(what), unit.machine.since()});
    };
    const auto enough = [&] { return !all && !reasons.empty(); };
    if (unit.file() == nullptr && unit.is_bad()) {
        for (const std::string& problem : unit.seldom->problems) add("problem", problem);
        return reasons;
    }
    if (unit.file() == nullptr) {
        add(unit.masked ? "masked" : "missing", std::string{unit.name});
        return reasons;
    }
    switch (unit.state()) {
        case State::up:
            if (must_go(unit) && unit.witness != nullptr)
                add("stopping", std::string{unit.witness->name});
            return reasons;
        case State::starting:
        case State::reloading:
        case State::stopping:
        case State::killing:
            add(to_string(unit.state()), std::string{unit.machine.doing()});
            return reasons;
        case State::done:
        case State::failed: add(to_string(unit.state()), end_text(unit)); return reasons;
        case State::backoff:
            if (unit.machine.backoff_over()) break;
            add("backoff", "restart " + std::to_string(unit.machine.failures()));
            return reasons;
        case State::down:
        case State::waiting: break;
    }
    if (unit.masked) add("masked", std::string{unit.name});
    if (unit.asked == Asked::down) add("asked", "down by " + std::string{unit.asked_by()});
    if (reasons.empty() && !is_wanted(unit)) add("wanted", "by nobody");
    if (!is_wanted(unit)) return reasons;
    if (unit.reset) add("reset-failed", "until it is started");
    if (enough()) return reasons;
    if (unit.seldom && !unit.seldom->hindered.empty()) add("hindered", unit.seldom->hindered);
    for (const Edge& edge : unit.edges) {
        if (enough()) return reasons;
        switch (obstacle(unit, edge)) {
            case Obstacle::none: break;
            case Obstacle::not_up:
            case Obstacle::conflict: add(key_of(edge.bond), std::string{edge.other->name}); break;
            case Obstacle::not_settled: add("after", std::string{edge.other->name}); break;
            case Obstacle::going: add("stopping", std::string{edge.other->name}); break;
        }
    }
    for (const units::Predicate& each : unit.file()->predicates->gate)
        if (facts.truth(each, graph) != Truth::yes) add("gate", to_string(each));
    if (enough()) return reasons;
    if (must_go(unit) && reasons.empty()) add("going", go_reason(unit));
    if (unit.machine.idle_waits()) add("idle", "until nothing else is starting");
    if (unit.tests == Tests::asked) add("condition", "is being tested");
    if (unit.leases == Leases::asked || unit.leases == Leases::refused)
        for (const units::Lease& lease : unit.file()->leases) add("lease", lease.device);
    return reasons;
}

// In a few words, for answers and reports: "waits for requires db (failed)".
std::string World::why_text(const Unit& unit) const {
    const std::vector<Reason> reasons = why(unit, false);
    if (reasons.empty()) return {};
    const Reason& first = reasons.front();
    std::string text = first.kind + " " + first.what;
    const bool names_a_unit = first.kind == "requires" || first.kind == "binds-to" ||
                              first.kind == "requisite" || first.kind == "after";
    if (const Unit* other = names_a_unit ? graph.find(first.what) : nullptr; other != nullptr)
        text += " (" + std::string{condition_of(*other)} + ")";
    return text;
}

// In the order they go: a unit after all that are ordered after it; by name where that leaves a
// choice; itself last.
std::vector<Unit*> World::goes_with(Unit& unit) const {
    std::vector<Unit*> all{&unit};
    std::map<const Unit*, std::size_t> later{{&unit, 0}};  // ordered after it, of these; looked up
    for (std::size_t i = 0; i < all.size(); ++i)
        for (const Edge& edge : all[i]->edges)
            if (!edge.outgoing && shares_fate(edge.bond) && edge.other->runs() &&
                later.try_emplace(edge.other, 0).second)
                all.push_back(edge.other);
    for (const Unit* each : all)
        for (const Edge& edge : each->edges)
            if (comes_before(*each, edge) && later.contains(edge.other)) ++later[each];
    UnitsByName ready;
    for (Unit* each : all)
        if (later[each] == 0) ready.insert(each);
    std::vector<Unit*> order;
    while (!ready.empty()) {
        Unit* next = *ready.begin();
        ready.erase(ready.begin());
        if (next != &unit) order.push_back(next);
        for (const Edge& edge : next->edges) {
            if (!comes_after(*next, edge)) continue;
            const auto found = later.find(edge.other);
            if (found != later.end() && --found->second == 0) ready.insert(edge.other);
        }
    }
    order.push_back(&unit);
    return order;
}

UnitView World::view(const Unit& unit) const {
    UnitView view;
    const UnitMachine& machine = unit.machine;
    view.id = unit.id;
    view.definition = unit.definition ? unit.definition
                      : unit.stale()  ? unit.seldom->of_run
                                      : nullptr;
    view.state = machine.state();
    view.asked = unit.asked;
    if (unit.asked != Asked::none) view.asked_by = unit.asked_by();
    view.wanted = is_wanted(unit);
    view.masked = unit.masked;
    if (unit.is_bad()) view.problems = unit.seldom->problems;
    view.stale = unit.stale();
    view.run = machine.run();
    view.result = machine.result();
    view.detail = machine.detail();
    view.last_exit = machine.last_exit();
    view.since = machine.since();
    if (machine.state() == State::backoff && machine.deadline() != never)
        view.next_start = machine.deadline();
    view.failures = machine.failures();
    view.starts = machine.starts();
    return view;
}

std::vector<EventView> World::event_views() const {
    std::vector<EventView> views;
    for (const auto& [name, latch] : facts.events()) {
        EventView view;
        view.name = name;
        view.set = latch.is_set();
        view.marked = latch.marked;
        for (const Unit* unit : latch.setters) view.setters.push_back(unit->id);
        for (const Unit* unit : latch.watchers)
            if (unit->state() == State::waiting && !gate_holds(*unit))
                view.waiting.push_back(unit->id);
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace reeve::core
