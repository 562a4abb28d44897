// From touched to quiet: what an event changed is followed up, in the order of names, until
// nothing moves.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

bool WantedRule::base(const Unit& unit) const noexcept {
    if (!open(unit)) {
        return unit.asked == Asked::up && world->phase == Phase::normal && !unit.masked &&
               unit.definition && unit.definition->kind != units::Kind::device;
    }
    switch (world->phase) {
        case Phase::normal: return unit.kept && !unit.file()->stop_when_unneeded;
        case Phase::joining: return unit.runs();  // the others run on for those that are joined
        case Phase::going: return false;
        case Phase::last_target:
        case Phase::ended: return &unit == world->last_target;
    }
    return false;
}

// May be wanted through others: defined, not masked, and nobody has asked for anything else.
bool WantedRule::open(const Unit& unit) const noexcept {
    if (!unit.definition || unit.masked || unit.definition->kind == units::Kind::device)
        return false;
    switch (world->phase) {
        case Phase::normal: return unit.asked == Asked::none;
        case Phase::joining: return unit.asked != Asked::down && unit.runs();
        case Phase::going: return false;
        case Phase::last_target:
        case Phase::ended: return unit.asked != Asked::down;
    }
    return false;
}

bool HopelessRule::base(const Unit& unit) noexcept {
    return !unit.definition || unit.masked || unit.state() == State::failed || unit.reset ||
           unit.asked == Asked::down || unit.definition->kind == units::Kind::device;
}

bool HopelessRule::open(const Unit& unit) noexcept {
    return unit.state() == State::waiting;
}

bool HopelessRule::supports(const Edge& edge) noexcept {
    if (!edge.outgoing || !must_be_up(edge.bond)) return false;
    return edge.ordered ? edge.other->support[slot] != nullptr : base(*edge.other);
}

std::vector<Action> World::handle(const Event& event, TimePoint at) {
    now_ = std::max(now_, at);  // time does not run backwards
    out_.clear();
    triggered_.clear();
    std::visit([this](const auto& each) { on(each); }, event);
    settle();
    return std::exchange(out_, {});
}

TimePoint World::next_deadline() const noexcept {
    TimePoint next = std::min(deadlines.earliest(), requests.earliest());
    if (phase == Phase::joining) next = std::min(next, join_until);
    if (phase != Phase::normal && phase != Phase::ended) next = std::min(next, shutdown_until);
    return next;
}

void World::settle() {
    for (;;) {
        if (!touched_.empty()) {
            look_round();
        } else if (deadlines.earliest() <= now_) {
            expire();
        } else if (!triggers_.empty()) {
            const Trigger trigger = std::move(triggers_.front());
            triggers_.pop_front();
            Unit* unit = graph.find(trigger.unit);
            if (unit != nullptr && unit->definition) start_asked(*unit, trigger.by);
        } else if (!start_next_idle() && !forget_the_oldest() && !advance_shutdown()) {
            answer_what_is_due();
            retire_the_gone();
            if (touched_.empty()) return;  // else: the names it left are asked nothing now
        }
    }
}

// All whose time has come, before any of them acts on it: among equals, by name.
void World::expire() {
    UnitsByName due;
    while (deadlines.earliest() <= now_) {
        due.insert(&deadlines.first());
        deadlines.set(deadlines.first(), never);
    }
    for (Unit* unit : due) {
        touch(*unit);
        drive(*unit, [&](Turn turn) { unit->machine.expire(turn); });
    }
}

void World::look_round() {
    std::vector<Unit*> round = std::exchange(touched_, {});
    std::ranges::sort(round, ByName{});
    for (Unit* unit : round) unit->touched = false;
    for (Unit* unit : round) look(*unit);
}

void World::touch(Unit& unit) {
    if (std::exchange(unit.touched, true)) return;
    touched_.push_back(&unit);
}

// Compares what is wanted of the unit with what it is.
void World::look(Unit& unit) {
    // Nothing starts after the shutdown; what still runs is the shell's to end.
    const bool may_start = is_wanted(unit) && phase != Phase::ended;
    switch (unit.state()) {
        case State::down:
            if (!unit.definition || unit.masked) unit.reset = false;
            if (may_start && !unit.reset) return try_start(unit);
            if (!unit.definition && !unit.masked) gone_.push_back(&unit);
            return;
        case State::waiting:
            watch_gate(unit);
            if (may_start) return try_start(unit);
            return drive(unit,
                         [&](Turn turn) { unit.machine.come_down("no longer wanted", turn); });
        case State::backoff:
            if (!may_start)
                return drive(unit,
                             [&](Turn turn) { unit.machine.come_down("no longer wanted", turn); });
            if (goes_by_decision(unit))
                return drive(unit, [&](Turn turn) { unit.machine.wait(go_reason(unit), turn); });
            return try_start(unit);
        case State::starting:
        case State::up:
        case State::reloading:
            if (gate_is_lost(unit) && unit.file()->predicates->gate_lost == units::GateLost::stop)
                ask(unit, Asked::down, "the loss of its gate");
            if (must_go(unit)) try_go(unit);
            return;
        case State::done:
        case State::failed:
            if (!unit.definition || unit.masked || unit.renewed)
                return drive(unit, [&](Turn turn) {
                    unit.machine.come_down(unit.renewed ? "definition changed" : go_reason(unit),
                                           turn);
                });
            return;
        case State::stopping:
        case State::killing: return;
    }
}

// ── derived properties ─────────────────────────────────────────────────────────────────────────

void World::rederive(Unit& unit) {
    rederive_wanted(unit);
    rederive_hopeless(unit);
}

void World::rederive_wanted(Unit& unit) {
    std::vector<Unit*> changed;
    Derived<WantedRule>{}.update(unit, WantedRule{this}, changed);
    rederive_going(unit);
    for (Unit* each : changed) {
        if (each != &unit) rederive_going(*each);
        touch(*each);
        touch_those_held_up_by(*each);
        requests.look_at(*each);
    }
}

void World::rederive_going(Unit& unit) {
    std::vector<Unit*> changed;
    Derived<DecisionRule>{}.update(unit, DecisionRule{this}, changed);
    Derived<LossRule>{}.update(unit, LossRule{this}, changed);
    for (Unit* each : changed) {
        touch(*each);
        touch_those_held_up_by(*each);
        requests.look_at(*each);
    }
}

void World::rederive_hopeless(Unit& unit) {
    std::vector<Unit*> changed;
    Derived<HopelessRule>{}.update(unit, HopelessRule{}, changed);
    for (Unit* each : changed) {
        touch_those_held_up_by(*each);
        requests.look_at(*each);
    }
}

// A unit that is held up remembers one other that is in the way; those about to start, with tests
// or leases under way, look again whatever happens around them.
void World::touch_those_held_up_by(const Unit& unit) {
    for (const Edge& edge : unit.edges) {
        Unit& other = *edge.other;
        if (other.witness == &unit || other.tests != Tests::none || other.leases == Leases::asked ||
            other.machine.idle_waits())
            touch(other);
    }
}

// ── transitions ────────────────────────────────────────────────────────────────────────────────

Turn World::turn_of(Unit& unit) {
    static const units::UnitFile nothing{};
    const units::UnitFile* file = unit.file();
    const Duration wait_timeout = unit.definition ? unit.definition->wait_timeout : units::infinity;
    return {now_,
            unit.id,
            file != nullptr ? *file : nothing,
            goes_by_decision(unit),
            is_wanted(unit),
            wait_timeout,
            out_};
}

void World::moved(Unit& unit, State from, State to) {
    if (from == State::starting) --starting_;
    if (to == State::starting) ++starting_;
    if (is_running(to) && !is_running(from)) {
        ++running_;
        unit.kept = true;
        bind_runs(unit);
    }
    if (to == State::up) requests.came_up(unit);
    unit.witness = nullptr;
    unit.renewed = unit.reset = false;
    if (from == State::waiting && !is_running(to)) give_up_start(unit);
    if (is_at_rest(from) && unit.definition && unit.definition->transient)
        std::erase(results, unit.id);
    if (is_at_rest(to)) came_to_rest(unit, to);
    const bool was_up = from == State::up || from == State::reloading;
    const bool now_up = to == State::up || to == State::reloading;
    if (was_up != now_up) up_changed(unit, now_up);
    if (is_running(from) && !is_running(to)) run_over(unit);
    rederive(unit);
    watch_gate(unit);
    touch(unit);
    touch_those_held_up_by(unit);
    requests.look_at(unit);
}

void World::run_over(Unit& unit) {
    --running_;
    unit.bounce = false;
    if (unit.seldom) unit.seldom->bound.clear();
    if (!unit.machine.left_over()) return_leases(unit);
    if (!unit.stale()) return;
    unwatch_gate(unit);
    facts.drop_gate(unit);
    unit.seldom->of_run.reset();
    if (!unit.definition)
        for (Unit* each : graph.drop_aliases(unit)) rewire(*each);
    --stale_;
    unit.renewed = is_at_rest(unit.state());
    rewire(unit);
}

void World::came_to_rest(Unit& unit, State rest) {
    unit.kept = false;
    if (unit.definition && unit.definition->transient) results.push_back(unit.id);
    if (unit.machine.result() == Result::skipped) return;  // it did not even run
    const Bond bond = rest == State::failed ? Bond::on_failure : Bond::on_success;
    UnitsByName asked;
    for (const Edge& edge : unit.edges)
        if (edge.outgoing && edge.bond == bond) asked.insert(edge.other);
    const std::string_view word = rest == State::failed ? "on-failure of " : "on-success of ";
    for (const Unit* other : asked) {
        // Once an event: units that fail at once and name each other must not hold the manager.
        if (std::ranges::find(triggered_, other->name) != triggered_.end()) continue;
        triggered_.emplace_back(other->name);
        triggers_.push_back({std::string{other->name}, std::string{word} + std::string{unit.name}});
    }
}

// What hangs on the unit being up: events it sets, gates that name it, runs bound to it.
void World::up_changed(Unit& unit, bool came_up) {
    if (const units::UnitFile* file = unit.file()) {
        for (const std::string& name : file->sets) {
            Latch& latch = facts.event(name);
            const bool was_set = latch.is_set();
            if (unit.is_up()) {
                latch.setters.insert(&unit);
            } else {
                latch.setters.erase(&unit);
            }
            event_changed(name, latch, was_set);
        }
    }
    std::vector<Unit*> bound;
    for (const Edge& edge : unit.edges) {
        if (edge.outgoing) continue;
        if (edge.bond == Bond::gate) touch(*edge.other);
        if (edge.bond == Bond::gate || edge.bond == Bond::binds_to) bound.push_back(edge.other);
    }
    for (Unit* other : bound) {
        if (came_up && other->seldom && other->runs())  // it may be gone again by now
            for (BoundRun& each : other->seldom->bound)
                if (each.to == &unit && each.run == RunId{0}) each.run = unit.machine.run();
        rederive_going(*other);
    }
}

void World::ask(Unit& unit, Asked asked, std::string_view by) {
    if (unit.asked == asked) return;
    unit.asked = asked;
    unit.edit().asked_by = by;
    if (asked == Asked::down) unit.kept = false;
    rederive(unit);
    touch(unit);
    touch_those_held_up_by(unit);
    requests.look_at(unit);
}

}  // namespace reeve::core
