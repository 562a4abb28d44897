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

// Takes the bytes in the order in which save() wrote them.
class World::Loader {
public:
    Loader(World& world, const std::vector<units::UnitPtr>& definitions, std::string_view saved)
        : world_{world}, in_{saved} {
        if (in_.read<std::string>() != magic) refuse("unknown version");
        for (const units::UnitPtr& each : definitions) given_[each->name].push_back(each);
    }

    void load() {
        units();
        for (const auto& [name, unit] : world_.graph.units()) world_.derive(*unit);
        for (Links& links : links_) restore(links);
        facts();
        requests();
        each([&] { world_.results.push_back(in_.read<UnitId>()); });
        each([&] { world_.joining_.push_back(unit()); });
        world_.last_target = unit_or_none();
        in_.finish();
    }

private:
    // What of a unit points to others, and is found when all are there.
    struct Links {
        Unit* unit;
        bool witness;
        std::array<std::uint32_t, 4> support;
        std::vector<std::pair<std::string, RunId>> bound;
        std::uint32_t cursor;
    };

    [[noreturn]] static void refuse(const std::string& why) {
        throw std::invalid_argument{"saved state: " + why};
    }
    template <class Take>
    void each(Take take) {
        for (auto count = in_.read<std::size_t>(); count > 0; --count) take();
    }

    units::UnitPtr definition(std::string_view name) {
        std::deque<units::UnitPtr>& list = given_[name];
        if (list.empty()) refuse("no definition of " + std::string{name});
        units::UnitPtr first = list.front();
        if (list.size() > 1) list.pop_front();
        return first;
    }
    Unit* known(const std::string& name) const {
        if (name.empty()) return nullptr;
        const auto found = world_.graph.units().find(name);
        if (found == world_.graph.units().end()) refuse("other units");
        return found->second.get();
    }
    Unit* unit_or_none() { return known(in_.read<std::string>()); }
    Unit* unit() {
        Unit* const found = unit_or_none();
        if (found == nullptr) refuse("a unit without a name");
        return found;
    }

    void units();
    void seldom(Unit& unit, Links& links);
    void restore(Links& links) const;
    void facts();
    void requests();

    World& world_;
    archive::Reader in_;
    std::map<std::string_view, std::deque<units::UnitPtr>> given_;
    std::vector<Links> links_;
};

void World::Loader::units() {
    std::uint32_t next_id = 0;
    in_(world_.now_, world_.last_run, world_.phase, world_.join_until, world_.shutdown_until,
        next_id);
    std::vector<units::UnitPtr> current;
    each([&] {
        const auto name = in_.read<std::string>();
        Unit& unit = world_.graph.restore(name, in_.read<UnitId>());
        const auto defined = in_.read<bool>();
        const auto stale = in_.read<bool>();
        if (defined) current.push_back(unit.definition = definition(name));
        if (stale) unit.edit().of_run = definition(name);
        if (stale && !defined) current.push_back(unit.seldom->of_run);
        fields(in_, unit);
        if (unit.file() == nullptr ? unit.state() != State::down : stale && !unit.runs())
            refuse("another definition than that of the run");
        Links links{&unit, in_.read<bool>(), {}, {}, unit.cursor};
        for (std::uint32_t& index : links.support) in_(index);
        seldom(unit, links);
        links_.push_back(std::move(links));
    });
    world_.graph.set_next_id(next_id);
    world_.graph.set_aliases(current);
    world_.graph.wire_all();
}

void World::Loader::seldom(Unit& unit, Links& links) {
    auto asked_by = in_.read<std::string>();
    auto hindered = in_.read<std::string>();
    auto problems = in_.read<std::vector<std::string>>();
    if (!asked_by.empty()) unit.edit().asked_by = std::move(asked_by);
    if (!hindered.empty()) unit.edit().hindered = std::move(hindered);
    if (!problems.empty()) unit.edit().problems = std::move(problems);
    each([&] {
        auto to = in_.read<std::string>();
        links.bound.emplace_back(std::move(to), in_.read<RunId>());
    });
}

void World::Loader::restore(Links& links) const {
    Unit& unit = *links.unit;
    unit.cursor = links.cursor;
    if (links.witness && links.cursor < unit.edges.size())
        unit.witness = unit.edges[links.cursor].other;
    for (std::size_t slot = 0; slot < links.support.size(); ++slot)
        unit.support[slot] = support_at(unit, links.support[slot]);
    for (auto& [to, run] : links.bound) unit.edit().bound.push_back({known(to), run});
}

void World::Loader::facts() {
    for (const std::string& name : in_.read<std::vector<std::string>>())
        world_.facts.event(name).marked = true;
    each([&] {
        const auto name = in_.read<std::string>();
        world_.facts.restore_path(name, in_.read<Truth>());
    });
    each([&] {
        const auto name = in_.read<std::string>();
        world_.facts.device(name).truth = in_.read<Truth>();
    });
}

void World::Loader::requests() {
    each([&] {
        const auto id = in_.read<RequestId>();
        Pending pending;
        in_(pending.kind, pending.deadline, pending.event, pending.came_up);
        pending.unit = unit_or_none();
        each([&] { pending.rest.insert(unit()); });
        const bool needs_unit =
            pending.kind != Pending::Kind::event && pending.kind != Pending::Kind::wait;
        if (world_.requests.knows(id) || (needs_unit && pending.unit == nullptr))
            refuse("no such request");
        world_.requests.add(id, std::move(pending));
    });
    static_cast<void>(world_.requests.take_due());  // whoever was due has been looked at
}

// What is not saved, since it follows from what is.
void World::derive(Unit& unit) {
    facts.add_gate(unit);
    deadlines.set(unit, unit.machine.next_deadline());
    if (unit.runs()) ++running_;
    if (unit.stale()) ++stale_;
    if (unit.state() == State::starting) ++starting_;
    if (unit.leases == Leases::refused) refused_.insert(&unit);
    if (unit.state() == State::waiting && unit.machine.idle_waits() && !unit.machine.idle_over())
        idle_.insert(&unit);
    if (!unit.definition && unit.defined_once && !unit.masked && unit.state() == State::down)
        gone_.push_back(&unit);  // a request still waits for it
    if (!unit.is_up() || unit.file() == nullptr) return;
    for (const std::string& event : unit.file()->sets) facts.event(event).setters.insert(&unit);
}

void World::load(const std::vector<units::UnitPtr>& definitions, std::string_view saved) {
    Loader{*this, definitions, saved}.load();
}

}  // namespace reeve::core
