// When a unit starts (semantics §4): lines 1 to 3 from its relations, 4 from its gate and tests,
// 5 from its leases, asked for last.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

namespace {

constexpr Duration longest_idle_wait = std::chrono::seconds{5};

bool is_good(const Edge& edge) noexcept {
    const Unit& other = *edge.other;
    if (!edge.ordered) {  // only known, and not masked, failed or asked down
        return other.definition && !other.masked && other.state() != State::failed &&
               !other.reset && other.asked != Asked::down;
    }
    if (!other.definition || other.masked) return false;
    if (other.is_up()) return true;
    return edge.bond == Bond::requires_ && other.state() == State::done;
}

}  // namespace

// Line 2: not wanted, up, reloading, done, failed, backoff, or stuck.
bool World::has_settled(const Unit& unit) noexcept {
    if (!is_wanted(unit)) return true;
    switch (unit.state()) {
        case State::up:
        case State::reloading:
        case State::done:
        case State::failed:
        case State::backoff: return true;
        case State::waiting: return is_stuck(unit);
        case State::down: return unit.reset;
        case State::starting:
        case State::stopping:
        case State::killing: return false;
    }
    return false;
}

World::Obstacle World::obstacle(const Unit& unit, const Edge& edge) noexcept {
    const Unit& other = *edge.other;
    if (edge.bond == Bond::conflicts) return other.runs() ? Obstacle::conflict : Obstacle::none;
    if (edge.outgoing && must_be_up(edge.bond) && !is_good(edge)) return Obstacle::not_up;
    const bool after = comes_after(unit, edge);
    if (!after && !comes_before(unit, edge)) return Obstacle::none;
    if (other.state() == State::stopping || other.state() == State::killing) return Obstacle::going;
    return after && !has_settled(other) ? Obstacle::not_settled : Obstacle::none;
}

// Goes on where it last found something, so that a unit after thousands looks at each once.
bool World::in_the_way(Unit& unit) {
    unit.witness = nullptr;
    const auto count = static_cast<std::uint32_t>(unit.edges.size());
    if (unit.cursor >= count) unit.cursor = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Edge& edge = unit.edges[unit.cursor];
        if (obstacle(unit, edge) != Obstacle::none) {
            unit.witness = edge.other;
            return true;
        }
        if (++unit.cursor == count) unit.cursor = 0;
    }
    return false;
}

bool World::gate_holds(const Unit& unit) const {
    const units::UnitFile* file = unit.file();
    return file != nullptr && facts.truth(file->predicates->gate, graph) == Truth::yes;
}

// Runs, and what it waited for before its start does not hold any more. `ignore` loses nothing.
bool World::gate_is_lost(const Unit& unit) const {
    const units::UnitFile* file = unit.file();
    if (file == nullptr || file->predicates->gate_lost == units::GateLost::ignore) return false;
    return unit.runs() && facts.truth(file->predicates->gate, graph) == Truth::no;
}

void World::try_start(Unit& unit) {
    if (unit.state() == State::backoff && !unit.machine.backoff_over()) return;
    const bool hindered = unit.seldom && !unit.seldom->hindered.empty();
    if (must_go(unit) || hindered || in_the_way(unit) || !gate_holds(unit)) return hold_back(unit);
    if (idle_lets_start(unit) && tests_let_start(unit) && leases_let_start(unit)) begin(unit);
}

// What must be asked for first takes time.
void World::wait_for(Unit& unit, const char* what) {
    if (unit.state() == State::down || unit.state() == State::backoff)
        drive(unit, [&](Turn turn) { unit.machine.wait(what, turn); });
}

// Lines 1 to 4 do not hold: it waits.
void World::hold_back(Unit& unit) {
    give_up_start(unit);
    if (unit.state() == State::down || unit.state() == State::backoff) {
        const std::string why = why_text(unit);
        wait_for(unit, why.c_str());
    }
}

// What was got for the start is given back.
void World::give_up_start(Unit& unit) {
    if (std::exchange(unit.tests, Tests::none) == Tests::asked) ++unit.lost_tests;
    const bool kept = unit.leases != Leases::refused && unit.machine.left_over();
    if (unit.leases != Leases::none && !kept) return_leases(unit);
    if (idle_.erase(&unit) > 0 || unit.machine.idle_waits()) {
        unit.machine.forget_idle();
        deadlines.set(unit, unit.machine.next_deadline());
    }
}

bool World::idle_lets_start(Unit& unit) {
    const units::UnitFile& file = *unit.file();
    if (!file.service || file.service->type != units::Type::idle) return true;
    if (unit.machine.idle_over()) {
        idle_.erase(&unit);
        return true;
    }
    if (!idle_.insert(&unit).second) return false;
    wait_for(unit, "until nothing else is starting");
    unit.machine.wait_for_idle(later(now_, longest_idle_wait));
    deadlines.set(unit, unit.machine.next_deadline());
    return false;
}

// All else is quiet: the first of those that wait for that may begin.
bool World::start_next_idle() {
    if (starting_ > 0 || idle_.empty()) return false;
    Unit& unit = **idle_.begin();
    idle_.erase(idle_.begin());
    unit.machine.end_idle();
    deadlines.set(unit, unit.machine.next_deadline());
    touch(unit);
    return true;
}

bool World::tests_let_start(Unit& unit) {
    const units::Predicates& predicates = *unit.file()->predicates;
    switch (unit.tests) {
        case Tests::passed: return true;
        case Tests::asked: return false;
        case Tests::none: break;
    }
    if (predicates.condition.empty() && predicates.assertion.empty()) return true;
    if (!names_a_path(predicates.condition) && !names_a_path(predicates.assertion)) {
        judge_tests(unit, nullptr);
        return unit.tests == Tests::passed;
    }
    wait_for(unit, "condition");
    unit.tests = Tests::asked;
    out_.emplace_back(TestPredicates{unit.id});
    return false;
}

// `assert` holds, else failed; `condition` holds, else done.
void World::judge_tests(Unit& unit, const std::vector<std::string>* existing) {
    const units::Predicates& predicates = *unit.file()->predicates;
    const auto first_false = [&](const std::vector<units::Predicate>& all) {
        return std::ranges::find_if(all, [&](const units::Predicate& each) {
            return facts.truth(each, graph, existing) != Truth::yes;
        });
    };
    const auto end = [&](Result result, const char* word, const units::Predicate& predicate) {
        unit.tests = Tests::none;
        return_leases(unit);
        drive(unit,
              [&](Turn turn) { unit.machine.settle(result, word + to_string(predicate), turn); });
    };
    if (const auto f = first_false(predicates.assertion); f != predicates.assertion.end())
        return end(Result::assert_failed, "assert does not hold: ", *f);
    if (const auto f = first_false(predicates.condition); f != predicates.condition.end())
        return end(Result::skipped, "condition does not hold: ", *f);
    unit.tests = Tests::passed;
    touch(unit);
}

bool World::leases_let_start(Unit& unit) {
    if (unit.file()->leases.empty()) return true;
    if (unit.leases == Leases::held) return true;
    wait_for(unit, "leases");
    if (unit.leases == Leases::none) {
        unit.leases = Leases::asked;
        out_.emplace_back(AskLeases{unit.id});
    }
    return false;
}

void World::begin(Unit& unit) {
    const units::UnitFile& file = *unit.file();
    unit.tests = Tests::none;
    if (file.service && unit.machine.over_limit(*file.service->limit, now_))
        return over_limit(unit);
    const RunId run{++last_run};
    drive(unit, [&](Turn turn) { unit.machine.begin(run, start_reason(unit), turn); });
}

void World::over_limit(Unit& unit) {
    const units::UnitPtr definition = unit.definition;
    const units::Limit& limit = *definition->service->limit;
    if (!unit.machine.left_over()) return_leases(unit);
    drive(unit, [&](Turn turn) { unit.machine.settle(Result::limit, "too many starts", turn); });
    if (phase != Phase::normal) return;
    using Then = units::Limit::Then;
    switch (limit.then) {
        case Then::nothing: return;
        case Then::event: return set_mark(limit.argument, true);
        case Then::start:
            triggers_.push_back({limit.argument, "limit of " + std::string{unit.name}});
            return;
        case Then::reboot: out_.emplace_back(Escalate{Escalate::What::reboot, unit.id}); return;
        case Then::stop: out_.emplace_back(Escalate{Escalate::What::stop, unit.id}); return;
    }
}

std::string World::start_reason(const Unit& unit) const {
    if (&unit == last_target) return "shutdown";
    if (unit.state() == State::backoff && unit.machine.failures() > 0)
        return "restart " + std::to_string(unit.machine.failures());
    if (unit.asked == Asked::up) return "asked by " + std::string{unit.asked_by()};
    for (const Edge& edge : unit.edges)
        if (WantedRule::supports(edge)) return "wanted by " + std::string{edge.other->name};
    return "comes back";
}

// Gates are watched while waiting and up; the core knows the rest, paths it must be told.
void World::watch_gate(Unit& unit) {
    const units::UnitFile* file = unit.file();
    bool watch = false;
    switch (unit.state()) {
        case State::waiting:
        case State::starting:
        case State::up:
        case State::reloading:
            watch = file != nullptr && names_a_path(file->predicates->gate);
            break;
        case State::down:
        case State::stopping:
        case State::killing:
        case State::backoff:
        case State::done:
        case State::failed: break;
    }
    if (!watch) return unwatch_gate(unit);
    if (!std::exchange(unit.watched, true)) out_.emplace_back(WatchGate{unit.id});
}

void World::unwatch_gate(Unit& unit) {
    if (!std::exchange(unit.watched, false)) return;
    out_.emplace_back(UnwatchGate{unit.id});
    facts.forget_unwatched_paths(unit);
}

// A bond holds to the run that is up at the start.
void World::bind_runs(Unit& unit) {
    for (const Edge& edge : unit.edges) {
        if (!edge.outgoing || edge.bond != Bond::binds_to) continue;
        const RunId run = edge.other->is_up() ? edge.other->machine.run() : RunId{0};
        unit.edit().bound.push_back({edge.other, run});
    }
}

}  // namespace reeve::core
