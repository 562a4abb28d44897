// Units whose processes were found by an engine that knows nothing of their past.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

void World::on(const Found& news) {
    // Numbers go on after those that are in use, in names and in the environment of processes.
    for (const Found::Running& each : news.running)
        last_run = std::max(last_run, static_cast<std::uint64_t>(each.run));
    for (const Found::Running& each : news.running) {
        Unit* unit = graph.find(each.unit);
        if (unit == nullptr || !unit->definition || unit->masked) continue;
        found(*unit, each.run == RunId{0} ? RunId{++last_run} : each.run);
    }
    if (Unit* asked = graph.find(news.asked); asked != nullptr && asked->definition)
        start_asked(*asked, news.by);
    // Whoever wanted it is not known any more: it stays until somebody says otherwise.
    for (const Found::Running& each : news.running) {
        Unit* unit = graph.find(each.unit);
        if (unit != nullptr && unit->runs() && !is_wanted(*unit)) ask(*unit, Asked::up, news.by);
    }
}

void World::found(Unit& unit, RunId run) {
    if (unit.state() != State::down) return;
    // It runs, so its gate held: an event that no unit sets was marked by somebody.
    for (const units::Predicate& each : unit.definition->predicates->gate) {
        if (each.kind != units::Predicate::Kind::event || each.negated) continue;
        const bool set_by_a_unit = std::ranges::any_of(graph.units(), [&](const auto& entry) {
            const units::UnitFile* file = entry.second->file();
            return file != nullptr &&
                   std::ranges::find(file->sets, each.argument) != file->sets.end();
        });
        if (!set_by_a_unit) set_mark(each.argument, true);
    }
    drive(unit, [&](Turn turn) { unit.machine.found(run, turn); });
    if (!unit.runs() || unit.file()->leases.empty()) return;
    unit.leases = Leases::asked;
    out_.emplace_back(AskLeases{unit.id});
}

}  // namespace reeve::core
