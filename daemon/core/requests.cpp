#include "daemon/core/requests.hpp"

#include <algorithm>
#include <utility>

namespace reeve::core {

void Requests::add(RequestId id, Pending pending) {
    if (pending.deadline != never) deadlines_.insert({pending.deadline, id});
    const auto watch = [&](Unit* unit) {
        unit->named_in_wait = true;
        of_unit_[unit->id].push_back(id);
    };
    if (pending.unit != nullptr) watch(pending.unit);
    for (Unit* each : pending.rest)
        if (each != pending.unit) watch(each);
    due_[id].assign(pending.rest.begin(), pending.rest.end());
    pending_.emplace(id, std::move(pending));
}

void Requests::unwatch(RequestId id, Unit& unit) {
    const auto place = of_unit_.find(unit.id);
    if (place == of_unit_.end()) return;
    std::erase(place->second, id);
    if (!place->second.empty()) return;
    of_unit_.erase(place);
    unit.named_in_wait = false;
}

void Requests::remove(RequestId id) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    if (found->second.unit != nullptr) unwatch(id, *found->second.unit);
    for (Unit* each : found->second.rest) unwatch(id, *each);
    deadlines_.erase({found->second.deadline, id});
    pending_.erase(found);
}

void Requests::no_longer(RequestId id, Unit& unit) {
    Pending* pending = find(id);
    if (pending == nullptr) return;
    pending->rest.erase(&unit);
    if (pending->unit != &unit) unwatch(id, unit);
}

Pending* Requests::find(RequestId id) {
    const auto found = pending_.find(id);
    return found == pending_.end() ? nullptr : &found->second;
}

void Requests::look_at(Unit& unit) {
    if (!unit.named_in_wait) return;
    for (const RequestId id : of_unit_[unit.id]) due_[id].push_back(&unit);
}

void Requests::came_up(const Unit& unit) {
    if (!unit.named_in_wait) return;
    for (const RequestId id : of_unit_[unit.id])
        if (Pending* pending = find(id); pending != nullptr && pending->unit == &unit)
            pending->came_up = true;
}

void Requests::look_at_event(const std::string& event) {
    for (const auto& [id, pending] : pending_)
        if (pending.kind == Pending::Kind::event && pending.event == event) due_[id];
}

}  // namespace reeve::core
