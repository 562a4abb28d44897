#include "daemon/core/facts.hpp"

#include <algorithm>

namespace reeve::core {

using Kind = units::Predicate::Kind;

Truth operator!(Truth truth) noexcept {
    switch (truth) {
        case Truth::no: return Truth::yes;
        case Truth::unknown: return Truth::unknown;
        case Truth::yes: return Truth::no;
    }
    return truth;
}

namespace {

template <class Value>
Value& entry(std::map<std::string, Value, std::less<>>& table, std::string_view name) {
    const auto found = table.find(name);
    return found != table.end() ? found->second
                                : table.try_emplace(std::string{name}).first->second;
}

}  // namespace

Latch& Facts::event(std::string_view name) {
    return entry(events_, name);
}

Fact* Facts::path(std::string_view name) {
    const auto found = paths_.find(name);
    return found == paths_.end() ? nullptr : &found->second;
}

Fact& Facts::device(std::string_view name) {
    return entry(devices_, name);
}

void Facts::restore_path(std::string_view name, Truth truth) {
    entry(paths_, name).truth = truth;
}

void Facts::add_gate(Unit& unit) {
    if (unit.file() == nullptr) return;
    for (const units::Predicate& each : unit.file()->predicates->gate) walk(unit, each, true);
}

void Facts::drop_gate(Unit& unit) {
    if (unit.file() == nullptr) return;
    for (const units::Predicate& each : unit.file()->predicates->gate) walk(unit, each, false);
}

void Facts::drop_gates() {
    for (auto& [name, latch] : events_) latch.watchers.clear();
    for (auto& [name, fact] : paths_) fact.watchers.clear();
    for (auto& [name, fact] : devices_) fact.watchers.clear();
}

void Facts::tidy() {
    std::erase_if(events_, [](const auto& entry) {
        return !entry.second.is_set() && entry.second.watchers.empty();
    });
    std::erase_if(paths_, [](const auto& entry) { return entry.second.watchers.empty(); });
    for (auto& [name, fact] : paths_)
        if (std::ranges::none_of(fact.watchers, &Unit::watched)) fact.truth = Truth::unknown;
}

void Facts::walk(Unit& unit, const units::Predicate& predicate, bool add) {
    const auto note = [&](UnitsByName& watchers) {
        if (add) {
            watchers.insert(&unit);
        } else {
            watchers.erase(&unit);
        }
    };
    switch (predicate.kind) {
        case Kind::event: {
            Latch& latch = event(predicate.argument);
            note(latch.watchers);
            if (!latch.marked && latch.watchers.empty() && latch.setters.empty())
                events_.erase(predicate.argument);
            return;
        }
        case Kind::path: {
            Fact& fact = entry(paths_, predicate.argument);
            note(fact.watchers);
            if (fact.watchers.empty()) paths_.erase(predicate.argument);
            return;
        }
        case Kind::device: return note(device(predicate.argument).watchers);
        case Kind::unit: return;
        case Kind::any:
        case Kind::all:
            for (const units::Predicate& part : predicate.parts) walk(unit, part, add);
            return;
    }
}

namespace {

void forget_paths(Facts& facts, const units::Predicate& predicate) {
    if (predicate.kind == Kind::path) {
        Fact* fact = facts.path(predicate.argument);
        if (fact != nullptr && std::ranges::none_of(fact->watchers, &Unit::watched))
            fact->truth = Truth::unknown;
    }
    for (const units::Predicate& part : predicate.parts) forget_paths(facts, part);
}

bool names_a_path(const units::Predicate& predicate) noexcept {
    return predicate.kind == Kind::path ||
           std::ranges::any_of(predicate.parts, [](const auto& p) { return names_a_path(p); });
}

}  // namespace

void Facts::forget_unwatched_paths(const Unit& unit) {
    if (unit.file() == nullptr) return;
    for (const units::Predicate& each : unit.file()->predicates->gate) forget_paths(*this, each);
}

bool names_a_path(const std::vector<units::Predicate>& predicates) noexcept {
    return std::ranges::any_of(predicates, [](const auto& p) { return names_a_path(p); });
}

Truth Facts::leaf(const units::Predicate& predicate, const Graph& graph,
                  const std::vector<std::string>* existing) const {
    const auto yes_if = [](bool holds) { return holds ? Truth::yes : Truth::no; };
    switch (predicate.kind) {
        case Kind::event: {
            const auto found = events_.find(predicate.argument);
            return yes_if(found != events_.end() && found->second.is_set());
        }
        case Kind::unit: {
            const Unit* unit = graph.find(predicate.argument);
            return yes_if(unit != nullptr && unit->is_up());
        }
        case Kind::path: {
            if (existing != nullptr)
                return yes_if(std::ranges::binary_search(*existing, predicate.argument));
            const auto found = paths_.find(predicate.argument);
            return found == paths_.end() ? Truth::unknown : found->second.truth;
        }
        case Kind::device: {  // every device there is has been told of
            const auto found = devices_.find(predicate.argument);
            return yes_if(found != devices_.end() && found->second.truth == Truth::yes);
        }
        case Kind::any:
        case Kind::all: break;
    }
    return Truth::unknown;
}

Truth Facts::truth(const units::Predicate& predicate, const Graph& graph,
                   const std::vector<std::string>* existing) const {
    Truth result = Truth::unknown;
    if (predicate.kind == Kind::any) {
        result = Truth::no;
        for (const units::Predicate& part : predicate.parts)
            result = std::max(result, truth(part, graph, existing));
    } else if (predicate.kind == Kind::all) {
        result = truth(predicate.parts, graph, existing);
    } else {
        result = leaf(predicate, graph, existing);
    }
    return predicate.negated ? !result : result;
}

Truth Facts::truth(const std::vector<units::Predicate>& all, const Graph& graph,
                   const std::vector<std::string>* existing) const {
    Truth result = Truth::yes;
    for (const units::Predicate& each : all)
        result = std::min(result, truth(each, graph, existing));
    return result;
}

}  // namespace reeve::core
