// All units together: events in, actions out (semantics.md as code). Pure: no I/O, no clock, no
// callback, no log; the same events at the same times give the same actions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"
#include "daemon/core/types.hpp"

namespace reeve::core {

struct Settings {
    std::string boot_target = "default.target";
    Duration join_timeout = std::chrono::seconds{30};
    Duration shutdown_deadline = std::chrono::seconds{90};
};

// One line of `why`: an unmet condition is the explanation.
struct Reason {
    std::string kind;  // "requires", "after", "gate", "lease", "conflicts", "limit", "user", …
    std::string what;  // "db", "event:calibrated"
    TimePoint since{};
};

// What is known of a unit, for status and the bus. A copy.
struct UnitView {
    UnitId id{};
    State state{};
    Asked asked{};
    Result result{};
    bool wanted = false;
    bool masked = false;
    bool stale = false;         // runs with an older definition
    units::UnitPtr definition;  // nullptr: named by others but missing
    std::string asked_by;
    std::vector<std::string> problems;  // of its file, which counts as missing
    std::string detail;  // of the result: "exec: No such file or directory", "exit code 3"
    RunId run{};
    TimePoint since{};                    // when it entered the state
    std::optional<TimePoint> next_start;  // in backoff
    std::uint64_t starts = 0;
    ExitStatus last_exit;
    std::uint32_t failures = 0;  // ends in a row
};

struct EventView {
    std::string name;
    bool set = false;
    bool marked = false;          // by `event set`
    std::vector<UnitId> setters;  // units that are up and set it
    std::vector<UnitId> waiting;  // units whose gate waits for it
};

class Engine {
public:
    explicit Engine(Settings settings = {});
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    ~Engine();

    // Applies `event` at `now` and returns what to do, in order. Work is proportional to the units
    // the event touches. Throws std::bad_alloc only; of an ApplySet nothing has happened then.
    std::vector<Action> handle(const Event& event, TimePoint now);

    // The earliest moment at which handle(TimePassed) has something to do; nullopt: none.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const noexcept;

    // By name or alias; nullopt: no such unit.
    [[nodiscard]] std::optional<UnitId> find(std::string_view name) const;
    [[nodiscard]] UnitView view(UnitId unit) const;
    [[nodiscard]] std::string_view name(UnitId unit) const;
    // As in view(), without the rest of it.
    [[nodiscard]] units::UnitPtr current_definition(UnitId unit) const;
    [[nodiscard]] bool runs(UnitId unit) const;
    // The definition the run uses; the unit's current one when it does not run.
    [[nodiscard]] units::UnitPtr definition_of_run(UnitId unit) const;
    [[nodiscard]] std::vector<UnitId> all() const;  // by name
    [[nodiscard]] std::vector<Reason> why(UnitId unit, TimePoint now) const;
    // What goes with it, in the order it goes: itself last.
    [[nodiscard]] std::vector<UnitId> goes_with(UnitId unit) const;
    [[nodiscard]] std::vector<EventView> events() const;
    // The requests without an answer so far, ascending.
    [[nodiscard]] std::vector<RequestId> awaited() const;

    // The state as bytes, and back, over the same definitions. load(save()) changes nothing.
    [[nodiscard]] std::string save() const;
    // The definitions that load() needs, in its order: of each unit the current one, then that of
    // its run where that is another.
    [[nodiscard]] std::vector<units::UnitPtr> definitions() const;
    static Engine load(Settings settings, const std::vector<units::UnitPtr>& definitions,
                       std::string_view saved);  // throws std::invalid_argument: not a state

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::core
