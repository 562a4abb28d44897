// The state as bytes and back (semantics §2, §11). Definitions are given again; of one that still
// runs with an older definition, the current one comes first in the list, then that of the run.
#include <algorithm>

#include "daemon/core/world.hpp"
#include "units/archive.hpp"

namespace reeve::core {

namespace {

constexpr std::string_view magic = "reeve core state 2";

// How a property is supported, in terms of the unit's sorted edges: 0 not, 1 by itself, 2 + index.
std::uint32_t support_index(const Unit& unit, const Unit* by) {
    if (by == nullptr) return 0;
    if (by == &unit) return 1;
    for (std::size_t i = 0; i < unit.edges.size(); ++i)
        if (unit.edges[i].other == by) return static_cast<std::uint32_t>(i + 2);
    return 0;
}

Unit* support_at(Unit& unit, std::uint32_t index) {
    if (index == 0) return nullptr;
    if (index == 1) return &unit;
    if (index - 2 >= unit.edges.size()) throw std::invalid_argument{"saved state: other units"};
    return unit.edges[index - 2].other;
}

template <class Archive, class TheUnit>
void fields(Archive& archive, TheUnit& unit) {
    unit.machine.serialize(archive);
    archive(unit.cursor, unit.lost_tests, unit.asked, unit.tests, unit.leases, unit.kept,
            unit.bounce, unit.masked, unit.defined_once, unit.renewed, unit.reset, unit.watched);
}

}  // namespace

std::string World::save() const {
    archive::Writer out;
    out(magic, now_, last_run, phase, join_until, shutdown_until, graph.next_id());
    out(graph.units().size());
    for (const auto& [name, unit] : graph.units()) {
        out(std::string_view{name}, unit->id, unit->definition != nullptr, unit->stale());
        fields(out, *unit);
        out(unit->witness != nullptr);
        for (const Unit* by : unit->support) out(support_index(*unit, by));
        static const Seldom none{};
        const Seldom& seldom = unit->seldom ? *unit->seldom : none;
        out(seldom.asked_by, seldom.hindered, seldom.problems, seldom.bound.size());
        for (const BoundRun& bound : seldom.bound)
            out(bound.to != nullptr ? bound.to->name : std::string_view{}, bound.run);
    }
    std::vector<std::string> marks;
    for (const auto& [name, latch] : facts.events())
        if (latch.marked) marks.push_back(name);
    out(marks);
    for (const Facts::Table* table : {&facts.paths(), &facts.devices()}) {
        out(table->size());
        for (const auto& [name, fact] : *table) out(std::string_view{name}, fact.truth);
    }
    out(requests.all().size());
    for (const auto& [id, pending] : requests.all()) {
        out(id, pending.kind, pending.deadline, pending.event, pending.came_up);
        out(pending.unit != nullptr ? pending.unit->name : std::string_view{}, pending.rest.size());
        for (const Unit* unit : pending.rest) out(unit->name);
    }
    out(results.size());
    for (const UnitId id : results) out(id);
    out(joining_.size());
    for (const Unit* unit : joining_) out(unit->name);
    out(last_target != nullptr ? last_target->name : std::string_view{});
    return out.finish();
}

void World::load(const std::vector<units::UnitPtr>& definitions, std::string_view saved) {
    archive::Reader in{saved};
    if (in.read<std::string>() != magic)
        throw std::invalid_argument{"saved state: unknown version"};
    std::map<std::string_view, std::deque<units::UnitPtr>> given;
    for (const units::UnitPtr& each : definitions) given[each->name].push_back(each);
    const auto take = [&](std::string_view name) {
        std::deque<units::UnitPtr>& list = given[name];
        if (list.empty())
            throw std::invalid_argument{"saved state: no definition of " + std::string{name}};
        units::UnitPtr first = list.front();
        if (list.size() > 1) list.pop_front();
        return first;
    };
    const auto known = [&](const std::string& name) -> Unit* {
        if (name.empty()) return nullptr;
        const auto found = graph.units().find(name);
        if (found == graph.units().end()) throw std::invalid_argument{"saved state: other units"};
        return found->second.get();
    };
    const auto one = [&](const std::string& name) -> Unit* {
        if (name.empty()) throw std::invalid_argument{"saved state: a unit without a name"};
        return known(name);
    };
    struct Links {
        Unit* unit;
        bool witness;
        std::array<std::uint32_t, 4> support;
        std::vector<std::pair<std::string, RunId>> bound;
        std::uint32_t cursor;
    };
    std::vector<Links> links;
    std::uint32_t next_id = 0;
    in(now_, last_run, phase, join_until, shutdown_until, next_id);
    std::vector<units::UnitPtr> current;
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto name = in.read<std::string>();
        Unit& unit = graph.restore(name, in.read<UnitId>());
        const auto defined = in.read<bool>();
        const auto stale = in.read<bool>();
        if (defined) current.push_back(unit.definition = take(name));
        if (stale) unit.edit().of_run = take(name);
        if (stale && !defined) current.push_back(unit.seldom->of_run);
        fields(in, unit);
        if (unit.file() == nullptr ? unit.state() != State::down : stale && !unit.runs())
            throw std::invalid_argument{"saved state: another definition than that of the run"};
        Links link{&unit, in.read<bool>(), {}, {}, unit.cursor};
        for (std::uint32_t& index : link.support) in(index);
        auto asked_by = in.read<std::string>();
        auto hindered = in.read<std::string>();
        auto problems = in.read<std::vector<std::string>>();
        if (!asked_by.empty()) unit.edit().asked_by = std::move(asked_by);
        if (!hindered.empty()) unit.edit().hindered = std::move(hindered);
        if (!problems.empty()) unit.edit().problems = std::move(problems);
        for (auto bound = in.read<std::size_t>(); bound > 0; --bound) {
            auto to = in.read<std::string>();
            link.bound.emplace_back(std::move(to), in.read<RunId>());
        }
        links.push_back(std::move(link));
    }
    graph.set_next_id(next_id);
    graph.set_aliases(current);
    graph.wire_all();
    for (const auto& [name, unit] : graph.units()) {
        facts.add_gate(*unit);
        deadlines.set(*unit, unit->machine.next_deadline());
        if (unit->runs()) ++running_;
        if (unit->stale()) ++stale_;
        if (unit->state() == State::starting) ++starting_;
        if (unit->leases == Leases::refused) refused_.insert(unit.get());
        if (unit->state() == State::waiting && unit->machine.idle_waits() &&
            !unit->machine.idle_over())
            idle_.insert(unit.get());
        if (!unit->definition && unit->defined_once && !unit->masked &&
            unit->state() == State::down)
            gone_.push_back(unit.get());  // a request still waits for it
        if (!unit->is_up() || unit->file() == nullptr) continue;
        for (const std::string& event : unit->file()->sets)
            facts.event(event).setters.insert(unit.get());
    }
    for (Links& link : links) {
        Unit& unit = *link.unit;
        unit.cursor = link.cursor;
        if (link.witness && link.cursor < unit.edges.size())
            unit.witness = unit.edges[link.cursor].other;
        for (std::size_t slot = 0; slot < link.support.size(); ++slot)
            unit.support[slot] = support_at(unit, link.support[slot]);
        for (auto& [to, run] : link.bound) unit.edit().bound.push_back({known(to), run});
    }
    for (const std::string& name : in.read<std::vector<std::string>>())
        facts.event(name).marked = true;
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto name = in.read<std::string>();
        facts.restore_path(name, in.read<Truth>());
    }
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto name = in.read<std::string>();
        facts.device(name).truth = in.read<Truth>();
    }
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto id = in.read<RequestId>();
        Pending pending;
        in(pending.kind, pending.deadline, pending.event, pending.came_up);
        pending.unit = known(in.read<std::string>());
        for (auto rest = in.read<std::size_t>(); rest > 0; --rest)
            pending.rest.insert(one(in.read<std::string>()));
        const bool needs_unit =
            pending.kind != Pending::Kind::event && pending.kind != Pending::Kind::wait;
        if (requests.knows(id) || (needs_unit && pending.unit == nullptr))
            throw std::invalid_argument{"saved state: no such request"};
        requests.add(id, std::move(pending));
    }
    static_cast<void>(requests.take_due());  // whoever was due has been looked at
    for (auto count = in.read<std::size_t>(); count > 0; --count)
        results.push_back(in.read<UnitId>());
    for (auto count = in.read<std::size_t>(); count > 0; --count)
        joining_.push_back(one(in.read<std::string>()));
    last_target = known(in.read<std::string>());
    in.finish();
}

}  // namespace reeve::core
