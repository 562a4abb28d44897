// Requests (semantics §9): what each changes; the rest follows.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

using Verdict = Answer::Verdict;

// ── what a start means ─────────────────────────────────────────────────────────────────────────

namespace {

// All that can be reached from `unit` over the edges `follow` accepts, itself first. What is
// missing or masked pulls nothing: there the way ends.
template <class Follow>
std::vector<Unit*> closure(Unit& unit, Follow follow) {
    std::vector<Unit*> found{&unit};
    std::set<const Unit*> seen{&unit};  // asked, never walked
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!found[i]->definition || found[i]->masked) continue;
        for (const Edge& edge : found[i]->edges)
            if (follow(edge) && seen.insert(edge.other).second) found.push_back(edge.other);
    }
    return found;
}

}  // namespace

// The unit and all it requires or binds to.
std::vector<Unit*> World::needs_of(Unit& unit) const {
    std::vector<Unit*> needs = closure(unit, [](const Edge& edge) {
        return edge.outgoing && (edge.bond == Bond::requires_ || edge.bond == Bond::binds_to);
    });
    std::ranges::sort(needs, ByName{});
    return needs;
}

// All that a start pulls, sorted by name. What is asked down is not, unless it is required.
std::vector<Unit*> World::pull_of(Unit& unit) const {
    const std::vector<Unit*> needs = needs_of(unit);
    const std::set<const Unit*> needed{needs.begin(), needs.end()};
    std::vector<Unit*> pull = closure(unit, [&](const Edge& edge) {
        const Unit& other = *edge.other;
        return edge.outgoing && pulls(edge.bond) && other.definition && !other.masked &&
               (other.asked != Asked::down || needed.contains(&other));
    });
    std::ranges::sort(pull, ByName{});
    return pull;
}

// failed, and done without remain-after-exit, become down; counters are forgotten.
void World::forget_failure(Unit& unit) {
    unit.machine.forget_counters();
    const units::UnitFile* file = unit.file();
    const bool remains = file != nullptr && file->service && file->service->remain_after_exit;
    if (unit.state() == State::failed || (unit.state() == State::done && !remains))
        drive(unit, [&](Turn turn) { unit.machine.come_down("asked to start", turn); });
    if (std::exchange(unit.reset, false)) {
        rederive(unit);
        touch(unit);
        touch_those_held_up_by(unit);
    }
    if (unit.state() == State::backoff) {  // the delay belongs to the row, which ends here
        unit.machine.end_backoff();
        deadlines.set(unit, unit.machine.next_deadline());
        touch(unit);
    }
}

std::string World::start_asked(Unit& unit, std::string_view by) {
    if (phase != Phase::normal) return "shutting down";
    const std::vector<Unit*> pull = pull_of(unit);
    const std::set<const Unit*> pulled{pull.begin(), pull.end()};
    UnitsByName conflicting;
    for (Unit* each : pull) {
        for (const Edge& edge : each->edges) {
            if (edge.bond != Bond::conflicts || !edge.other->definition) continue;
            if (pulled.contains(edge.other))
                return std::string{each->name} + " and " + std::string{edge.other->name} +
                       " conflict, and both are pulled";
            conflicting.insert(edge.other);
        }
    }
    for (Unit* each : conflicting)
        ask(*each, Asked::down, "conflict with " + std::string{unit.name});
    for (Unit* each : needs_of(unit)) {
        if (each->asked == Asked::down) ask(*each, Asked::none, "");
        forget_failure(*each);
    }
    ask(unit, Asked::up, by);
    return {};
}

std::optional<Answer> World::cannot_start(std::string_view name, bool manual) {
    Answer no;
    no.verdict = Verdict::refused;
    Unit* unit = graph.find(name);
    if (unit != nullptr) {
        no.unit = unit->id;
        no.state = unit->state();
    }
    if (phase != Phase::normal) {
        no.text = "shutting down";
    } else if (unit != nullptr && unit->masked) {
        no.verdict = Verdict::masked;
        no.text = std::string{unit->name} + " is masked";
    } else if (unit == nullptr || !unit->definition) {
        no.verdict = Verdict::unknown_unit;
        no.text = "no unit " + std::string{name};
    } else if (unit->definition->kind == units::Kind::device) {
        no.text = std::string{unit->name} + " is a device: nothing to start";
    } else if (manual && unit->definition->refuse_manual_start) {
        no.text = std::string{unit->name} + " has refuse-manual-start";
    } else {
        return std::nullopt;
    }
    return no;
}

// ── the verbs ──────────────────────────────────────────────────────────────────────────────────

void World::on(const StartRequest& request) {
    if (requests.knows(request.caller.id)) return;
    if (auto no = cannot_start(request.unit, true))
        return answer(request.caller.id, no->verdict, graph.find(request.unit), no->text);
    Unit& unit = *graph.find(request.unit);
    if (std::string why = start_asked(unit, request.caller.by); !why.empty())
        return answer(request.caller.id, Verdict::refused, &unit, std::move(why));
    await(request.caller, {Pending::Kind::start, request.caller.deadline, &unit, {}, {}, false});
}

void World::on(const StopRequest& request) {
    if (requests.knows(request.caller.id)) return;
    Unit* unit = graph.find(request.unit);
    if (unit == nullptr || !is_known(*unit))
        return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + request.unit);
    if (unit->definition && unit->definition->refuse_manual_stop)
        return answer(request.caller.id, Verdict::refused, unit,
                      request.unit + " has refuse-manual-stop");
    const std::vector<Unit*> going = goes_with(*unit);
    Pending pending{Pending::Kind::stop,
                    request.caller.deadline,
                    unit,
                    UnitsByName{going.begin(), going.end()},
                    {},
                    false};
    ask(*unit, Asked::down, request.caller.by);
    await(request.caller, std::move(pending));
}

void World::on(const RestartRequest& request) {
    if (requests.knows(request.caller.id)) return;
    if (auto no = cannot_start(request.unit, true))
        return answer(request.caller.id, no->verdict, graph.find(request.unit), no->text);
    Unit& unit = *graph.find(request.unit);
    if (unit.definition->refuse_manual_stop)
        return answer(request.caller.id, Verdict::refused, &unit,
                      request.unit + " has refuse-manual-stop");
    if (request.only_if_running && !unit.runs())
        return answer(request.caller.id, Verdict::done, &unit, "does not run");
    if (std::string why = start_asked(unit, request.caller.by); !why.empty())
        return answer(request.caller.id, Verdict::refused, &unit, std::move(why));
    unit.bounce = unit.runs();
    rederive(unit);
    touch(unit);
    await(request.caller, {Pending::Kind::start, request.caller.deadline, &unit, {}, {}, false});
}

void World::on(const ReloadRequest& request) {
    if (requests.knows(request.caller.id)) return;
    Unit* unit = graph.find(request.unit);
    if (unit == nullptr || !is_known(*unit))
        return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + request.unit);
    if (!unit->is_up())
        return answer(request.caller.id, Verdict::refused, unit, request.unit + " is not up");
    const units::UnitFile& file = *unit->file();
    const bool can = file.service && std::ranges::any_of(file.service->commands, [](const auto& c) {
                         return c.phase == units::Phase::reload;
                     });
    if (!can)
        return answer(request.caller.id, Verdict::refused, unit,
                      request.unit + " has no reload command");
    drive(*unit, [&](Turn turn) { unit->machine.reload(turn); });
    await(request.caller, {Pending::Kind::reload, request.caller.deadline, unit, {}, {}, false});
}

// Start T, clear every other `asked = up` and `kept`, save ignore-on-isolate.
void World::on(const IsolateRequest& request) {
    if (requests.knows(request.caller.id)) return;
    if (auto no = cannot_start(request.unit, true))
        return answer(request.caller.id, no->verdict, graph.find(request.unit), no->text);
    Unit& target = *graph.find(request.unit);
    if (std::string why = start_asked(target, request.caller.by); !why.empty())
        return answer(request.caller.id, Verdict::refused, &target, std::move(why));
    for (const auto& [name, unit] : graph.units()) {
        if (unit.get() == &target) continue;
        if (const auto* file = unit->file(); file != nullptr && file->ignore_on_isolate) continue;
        if (unit->asked == Asked::up) ask(*unit, Asked::none, "");
        if (std::exchange(unit->kept, false)) rederive(*unit);
    }
    await(request.caller, {Pending::Kind::start, request.caller.deadline, &target, {}, {}, false});
}

// A signal only; the end counts as its own.
void World::on(const KillRequest& request) {
    Unit* unit = graph.find(request.unit);
    if (unit == nullptr || !is_known(*unit))
        return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + request.unit);
    if (!unit->machine.has_process())
        return answer(request.caller.id, Verdict::refused, unit, request.unit + " has no process");
    if (!request.all && !unit->machine.has_main())
        return answer(request.caller.id, Verdict::refused, unit,
                      request.unit + " has no main process");
    const auto whom = request.all ? SendSignal::Whom::all : SendSignal::Whom::main;
    out_.emplace_back(SendSignal{unit->id, unit->machine.run(), whom, request.signal});
    answer(request.caller.id, Verdict::done, unit);
}

void World::on(const WaitRequest& request) {
    if (requests.knows(request.caller.id)) return;
    Pending pending{Pending::Kind::wait, request.caller.deadline, nullptr, {}, {}, false};
    for (const std::string& name : request.units) {
        Unit* unit = graph.find(name);
        if (unit == nullptr || !is_known(*unit))
            return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + name);
        if (pending.unit == nullptr) pending.unit = unit;
        pending.rest.insert(unit);
    }

    await(request.caller, std::move(pending));
}

// Takes the failure away and nothing else: what is wanted does not start by it.
void World::on(const ResetFailedRequest& request) {
    const auto reset = [this](Unit& unit) {
        if (unit.state() != State::failed) return;
        unit.machine.forget_failure();
        drive(unit, [&](Turn turn) { unit.machine.come_down("reset-failed", turn); });
        unit.reset = true;
        rederive(unit);
        touch_those_held_up_by(unit);
    };
    if (request.unit.empty()) {
        for (const auto& [name, unit] : graph.units()) reset(*unit);
        return answer(request.caller.id, Verdict::done, nullptr);
    }
    Unit* unit = graph.find(request.unit);
    if (unit == nullptr || !is_known(*unit))
        return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + request.unit);
    reset(*unit);
    answer(request.caller.id, Verdict::done, unit);
}

// Drops a transient unit at rest.
void World::on(const ForgetRequest& request) {
    Unit* unit = graph.find(request.unit);
    if (unit == nullptr || !unit->definition)
        return answer(request.caller.id, Verdict::unknown_unit, nullptr, "no unit " + request.unit);
    if (!unit->definition->transient)
        return answer(request.caller.id, Verdict::refused, unit,
                      request.unit + " comes from a file: only what `run` made is forgotten");
    if (!is_at_rest(unit->state()) && unit->state() != State::down)
        return answer(request.caller.id, Verdict::refused, unit,
                      request.unit + " is " + std::string{to_string(unit->state())});
    answer(request.caller.id, Verdict::done, unit);
    undefine(*unit);
}

void World::set_mark(const std::string& event, bool set) {
    Latch& latch = facts.event(event);
    const bool was_set = latch.is_set();
    latch.marked = set;
    event_changed(event, latch, was_set);
}

void World::event_changed(const std::string& name, Latch& latch, bool was_set) {
    if (latch.is_set() == was_set) return;
    out_.emplace_back(EventReport{name, !was_set});
    gates_changed(latch.watchers);
    if (!was_set) requests.look_at_event(name);
}

// `event set|clear` move the mark; `clear` tells who still sets it.
void World::on(const EventRequest& request) {
    set_mark(request.name, request.set);
    std::string still;
    if (!request.set)
        for (const Unit* unit : facts.event(request.name).setters)
            still += (still.empty() ? "still set by " : ", ") + std::string{unit->name};
    answer(request.caller.id, Verdict::done, nullptr, std::move(still));
}

void World::on(const WaitEventRequest& request) {
    if (requests.knows(request.caller.id)) return;
    await(request.caller,
          {Pending::Kind::event, request.caller.deadline, nullptr, {}, request.name, false});
}

void World::on(const ShutdownRequest& request) {
    using Haste = ShutdownRequest::Haste;
    answer(request.caller.id, Verdict::done, nullptr);
    if (phase == Phase::normal) {
        shutdown_until = later(now_, settings.shutdown_deadline);
        join_until = later(now_, settings.join_timeout);
        enter_phase(Phase::joining);
    }
    if (request.haste == Haste::now && phase == Phase::joining) enter_phase(Phase::going);
    if (request.haste == Haste::force && phase != Phase::ended) enter_phase(Phase::ended);
}

// A transient unit: asked up, in the journal only, never under a file's name.
void World::on(const RunRequest& request) {
    if (requests.knows(request.caller.id)) return;
    const std::string& name = request.unit->name;
    if (phase != Phase::normal)
        return answer(request.caller.id, Verdict::refused, nullptr, "shutting down");
    if (Unit* taken = graph.find(name); taken != nullptr && is_listed(*taken)) {
        const bool ours = taken->definition && taken->definition->transient;
        return answer(request.caller.id, Verdict::refused, taken,
                      name + (ours ? " has been run; forget it first" : " is a unit already"));
    }
    Unit& unit = add_unit(request.unit);
    if (std::string why = start_asked(unit, request.caller.by); !why.empty()) {
        answer(request.caller.id, Verdict::refused, nullptr, std::move(why));
        return undefine(unit);
    }
    await(request.caller, {Pending::Kind::start, request.caller.deadline, &unit, {}, {}, false});
}

void World::on(const CancelRequest& request) {
    requests.remove(request.id);
}

}  // namespace reeve::core
