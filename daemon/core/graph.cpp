#include "daemon/core/graph.hpp"

#include <algorithm>
#include <span>
#include <tuple>

namespace reeve::core {

bool pulls(Bond bond) noexcept {
    return bond == Bond::requires_ || bond == Bond::wants || bond == Bond::binds_to;
}

bool must_be_up(Bond bond) noexcept {
    return bond == Bond::requires_ || bond == Bond::binds_to || bond == Bond::requisite;
}

bool shares_fate(Bond bond) noexcept {
    return must_be_up(bond) || bond == Bond::part_of;
}

namespace {

// `from` has the key. A target comes after what it wants.
bool orders(const Unit& from, const Edge& edge) noexcept {
    if (!edge.ordered) return false;
    return edge.bond != Bond::wants || from.is_target();
}

}  // namespace

bool comes_after(const Unit& unit, const Edge& edge) noexcept {
    return edge.outgoing && orders(unit, edge);
}

bool comes_before(const Unit&, const Edge& edge) noexcept {
    return !edge.outgoing && orders(*edge.other, edge);
}

Unit* Graph::find(UnitId id) const {
    const auto found = by_id_.find(static_cast<std::uint32_t>(id));
    return found == by_id_.end() ? nullptr : found->second;
}

Unit* Graph::find(std::string_view name) const {
    const auto unit = units_.find(name);
    if (unit != units_.end() && unit->second->file() != nullptr) return unit->second.get();
    if (const auto alias = aliases_.find(name); alias != aliases_.end()) {
        const auto real = units_.find(alias->second);
        if (real != units_.end()) return real->second.get();
    }
    return unit == units_.end() ? nullptr : unit->second.get();
}

Unit& Graph::at(std::string_view name) {
    if (Unit* found = find(name)) return *found;
    return restore(name, UnitId{next_id_++});
}

Unit& Graph::exactly(std::string_view name) {
    const auto found = units_.find(name);
    return found != units_.end() ? *found->second : restore(name, UnitId{next_id_++});
}

// Whose definitions name the unit, by name.
std::vector<Unit*> Graph::namers(const Unit& unit) {
    UnitsByName owners;
    for (const Edge& edge : unit.edges)
        if (!edge.mine) owners.insert(edge.other);
    return {owners.begin(), owners.end()};
}

std::vector<Unit*> Graph::add_alias(std::string_view alias, const Unit& unit) {
    const auto placeholder = units_.find(alias);
    aliases_.try_emplace(std::string{alias}, unit.name);
    return placeholder != units_.end() ? namers(*placeholder->second) : std::vector<Unit*>{};
}

std::vector<Unit*> Graph::drop_aliases(const Unit& unit) {
    const auto dropped =
        std::erase_if(aliases_, [&](const auto& entry) { return entry.second == unit.name; });
    return dropped > 0 ? namers(unit) : std::vector<Unit*>{};
}

Unit& Graph::restore(std::string_view name, UnitId id) {
    const auto [place, fresh] = units_.try_emplace(std::string{name}, nullptr);
    if (fresh) place->second = std::make_unique<Unit>();
    Unit& unit = *place->second;
    if (!fresh) by_id_.erase(static_cast<std::uint32_t>(unit.id));
    unit.name = place->first;
    unit.id = id;
    by_id_[static_cast<std::uint32_t>(id)] = &unit;
    return unit;
}

void Graph::renumber(Unit& unit) {
    by_id_.erase(static_cast<std::uint32_t>(unit.id));
    unit.id = UnitId{next_id_++};
    by_id_[static_cast<std::uint32_t>(unit.id)] = &unit;
}

void Graph::erase(Unit& unit) {
    unwire(unit);
    by_id_.erase(static_cast<std::uint32_t>(unit.id));
    units_.erase(units_.find(unit.name));
}

bool Graph::is_named(const Unit& unit) noexcept {
    return std::ranges::any_of(unit.edges, [](const Edge& edge) { return !edge.mine; });
}

bool Graph::set_aliases(const std::vector<units::UnitPtr>& definitions) {
    std::map<std::string, std::string, std::less<>> aliases;
    for (const units::UnitPtr& definition : definitions)
        for (const std::string& alias : definition->aliases)
            aliases.try_emplace(alias, definition->name);
    if (aliases == aliases_) return false;
    aliases_ = std::move(aliases);
    return true;
}

namespace {

// A target comes after what it wants, unless the opposite order is written. `edges` are all those
// between the same two units.
void let_written_order_win(std::span<Edge> edges) {
    for (Edge& edge : edges) {
        if (edge.bond != Bond::wants) continue;
        edge.ordered = std::ranges::none_of(edges, [&](const Edge& other) {
            return other.bond != Bond::wants && other.ordered && other.outgoing != edge.outgoing;
        });
    }
}

void let_written_order_win(std::vector<Edge>& all, std::string_view to) {
    const auto name = [](const Edge& edge) -> std::string_view { return edge.other->name; };
    let_written_order_win(std::span{std::ranges::lower_bound(all, to, {}, name),
                                    std::ranges::upper_bound(all, to, {}, name)});
}

void let_written_order_win(Unit& a, Unit& b) {
    let_written_order_win(a.edges, b.name);
    let_written_order_win(b.edges, a.name);
}

}  // namespace

void Graph::unwire(Unit& unit) {
    std::vector<Unit*> others;
    for (const Edge& edge : unit.edges) {
        if (!edge.mine) continue;
        others.push_back(edge.other);
        std::erase_if(edge.other->edges,
                      [&](const Edge& back) { return back.other == &unit && !back.mine; });
        edge.other->witness = nullptr;
        edge.other->cursor = 0;
    }
    std::erase_if(unit.edges, [](const Edge& edge) { return edge.mine; });
    for (Unit* other : others) let_written_order_win(unit, *other);
    unit.witness = nullptr;
    unit.cursor = 0;
}

namespace {

bool before(const Edge& a, const Edge& b) noexcept {
    if (a.other != b.other) return a.other->name < b.other->name;
    const auto rest = [](const Edge& e) {
        return std::tuple{e.bond, e.outgoing, e.ordered && e.bond != Bond::wants, e.mine};
    };
    return rest(a) < rest(b);
}

}  // namespace

void Graph::add(Unit& unit, const Edge& edge) const {
    if (sorts_later_) {
        unit.edges.push_back(edge);
        return;
    }
    unit.edges.insert(std::ranges::upper_bound(unit.edges, edge, before), edge);
    unit.witness = nullptr;
    unit.cursor = 0;
}

void Graph::join(Unit& from, Unit& to, Bond bond, bool ordered, bool owner_is_from) const {
    add(from, {&to, bond, true, ordered, owner_is_from});
    add(to, {&from, bond, false, ordered, !owner_is_from});
    if (!sorts_later_) let_written_order_win(from, to);
}

void Graph::link(Unit& owner, const units::Link& link) {
    using units::Relation;
    const bool reverse =
        link.relation == Relation::wanted_by || link.relation == Relation::required_by;
    if (reverse && !owner.file()->enabled) return;
    Unit& other = at(link.unit);
    if (&other == &owner) return;  // means nothing, and would wait for itself
    switch (link.relation) {
        case Relation::after: return join(owner, other, Bond::after, true, true);
        case Relation::before: return join(other, owner, Bond::after, true, false);
        case Relation::requires_: return join(owner, other, Bond::requires_, link.ordered, true);
        case Relation::wants: return join(owner, other, Bond::wants, link.ordered, true);
        case Relation::binds_to: return join(owner, other, Bond::binds_to, link.ordered, true);
        case Relation::requisite: return join(owner, other, Bond::requisite, link.ordered, true);
        case Relation::part_of: return join(owner, other, Bond::part_of, false, true);
        case Relation::conflicts: return join(owner, other, Bond::conflicts, false, true);
        case Relation::on_failure: return join(owner, other, Bond::on_failure, false, true);
        case Relation::on_success: return join(owner, other, Bond::on_success, false, true);
        case Relation::wanted_by: return join(other, owner, Bond::wants, link.ordered, false);
        case Relation::required_by: return join(other, owner, Bond::requires_, link.ordered, false);
    }
}

namespace {

void collect_units(const units::Predicate& predicate, std::vector<const std::string*>& names) {
    if (predicate.kind == units::Predicate::Kind::unit) names.push_back(&predicate.argument);
    for (const units::Predicate& part : predicate.parts) collect_units(part, names);
}

}  // namespace

void Graph::wire(Unit& unit) {
    unwire(unit);
    wire_own(unit);
}

void Graph::wire_all() {
    std::vector<Unit*> all;  // wiring makes units of names that are missing
    for (const auto& [name, unit] : units_) {
        all.push_back(unit.get());
        unit->edges.clear();
        unit->witness = nullptr;
        unit->cursor = 0;
    }
    sorts_later_ = true;
    for (Unit* unit : all) wire_own(*unit);
    sorts_later_ = false;
    for (const auto& [name, unit] : units_) {
        std::ranges::sort(unit->edges, before);
        for (auto first = unit->edges.begin(); first != unit->edges.end();) {
            const auto last = std::find_if(first, unit->edges.end(), [&](const Edge& edge) {
                return edge.other != first->other;
            });
            let_written_order_win(std::span{first, last});
            first = last;
        }
        unit->edges.shrink_to_fit();
    }
}

void Graph::wire_own(Unit& unit) {
    const units::UnitFile* file = unit.file();
    if (file == nullptr) return;
    for (const units::Link& each : file->links) link(unit, each);
    std::vector<const std::string*> named;
    for (const units::Predicate& each : file->predicates->gate) collect_units(each, named);
    for (const std::string* name : named)
        if (Unit& other = at(*name); &other != &unit) join(unit, other, Bond::gate, false, true);
}

}  // namespace reeve::core
