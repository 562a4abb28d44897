// What changed since the last turn of the loop, told once: UnitChanged, EventChanged and
// PropertiesChanged.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemon/bus/connection.hpp"
#include "daemon/core/action.hpp"

namespace reeve::bus {

class News {
public:
    void changed(std::string_view name, const core::Report& report);
    void touched(core::UnitId unit, std::string_view name);  // properties alone
    void removed(core::UnitId unit, std::string_view name);
    void changed(const core::EventReport& event);
    void changed(const std::vector<std::string>& devices);

    [[nodiscard]] bool empty() const noexcept;
    // The first `most` of what changed; the rest stays.
    [[nodiscard]] News take(std::size_t most);

    // Sends all of it to all of them; gives the number of messages. Throws std::system_error.
    std::size_t tell(std::span<Connection* const> to) const;

private:
    struct Change {
        std::string name;
        bool state_changed = false;
        bool removed = false;
        core::State from{};
        core::State to{};
        core::RunId run{};
        std::string reason;
    };
    std::map<core::UnitId, Change> units_;
    std::map<std::string, bool, std::less<>> events_;
    std::set<std::string, std::less<>> devices_;
};

}  // namespace reeve::bus
