// Requests that wait for their answer: which units they watch, and until when.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/core/graph.hpp"

namespace reeve::core {

struct Pending {
    enum class Kind : std::uint8_t { start, stop, reload, wait, event };
    friend constexpr Kind last_of(Kind) noexcept { return Kind::event; }
    Kind kind{};
    TimePoint deadline = never;
    Unit* unit = nullptr;
    UnitsByName rest;  // stop, wait: those that are not gone yet
    std::string event;
    bool came_up = false;
};

class Requests {
public:
    [[nodiscard]] bool knows(RequestId id) const { return pending_.contains(id); }
    void add(RequestId id, Pending pending);
    void remove(RequestId id);
    // One of the units it waits for is gone.
    void no_longer(RequestId id, Unit& unit);
    [[nodiscard]] Pending* find(RequestId id);
    [[nodiscard]] const std::map<RequestId, Pending>& all() const noexcept { return pending_; }

    [[nodiscard]] TimePoint earliest() const noexcept {
        return deadlines_.empty() ? never : deadlines_.begin()->first;
    }
    [[nodiscard]] RequestId first() const noexcept { return deadlines_.begin()->second; }

    // Something about the unit changed: its requests are looked at once all is settled.
    void look_at(Unit& unit);

    void look_at_event(const std::string& event);
    void came_up(const Unit& unit);
    // The requests to look at, each with the units of it that changed.
    using Due = std::map<RequestId, std::vector<Unit*>>;
    [[nodiscard]] Due take_due() { return std::exchange(due_, {}); }

private:
    void unwatch(RequestId id, Unit& unit);
    std::map<RequestId, Pending> pending_;
    std::set<std::pair<TimePoint, RequestId>> deadlines_;
    std::map<UnitId, std::vector<RequestId>> of_unit_;
    Due due_;
};

}  // namespace reeve::core
