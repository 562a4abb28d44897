// What the manager told about a unit (Manager.Describe), in the words of people and of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ctl/context.hpp"
#include "ctl/table.hpp"
#include "ctl/value.hpp"

namespace reeve::ctl {

// The clocks against which the times of units are told.
struct Now {
    std::uint64_t monotonic = 0;  // µs
    std::uint64_t realtime = 0;
    bool far = false;  // the manager is on another machine: its monotonic clock is not ours
    static Now of(const Place& place);

    // How long ago that was by the monotonic clock of the unit's manager; zero: in the future.
    [[nodiscard]] Duration since(std::uint64_t then, const Value& unit) const;
    [[nodiscard]] Duration until(std::uint64_t then, const Value& unit) const;

private:
    [[nodiscard]] std::uint64_t monotonic_at(const Value& unit) const;
};

// The units by these names, aliases or patterns (none: all), with these properties (none: all).
std::vector<Value> describe(Client& client, const std::vector<std::string>& units,
                            const std::vector<std::string>& properties = {});

bool is_up(std::string_view state) noexcept;
bool has_ended(std::string_view state) noexcept;  // nothing of it runs  // up, reloading
// For the order of `status`: what needs attention first.
int urgency(std::string_view state) noexcept;
Style style_of(std::string_view state) noexcept;

// "exit code 3", "signal 9 (KILL)"; empty: no run has ended.
std::string exit_text(const Value& unit);
// The code of the last end as multiprocessing tells it: −n for a signal; null: none has ended.
Value exitcode(std::string_view result, std::int64_t code, std::int64_t signal);
std::string signal_name(std::int64_t signal);  // "KILL"; "34" for those without a name

// What a reason of Why() means after "waits for": "db, which it requires", "gate event:calibrated".
std::string reason_text(std::string_view kind, std::string_view what);

// One line on what a person wants to know: why it failed, what it waits for, what it says.
std::string summary(const Value& unit, const Now& now);

// The object of docs/json/unit.schema.json, of the properties that are there.
Value unit_json(const Value& unit, const Now& now);

}  // namespace reeve::ctl
