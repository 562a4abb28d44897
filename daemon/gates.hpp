// What units wait for outside the core: paths and devices of their gates, and leases.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/core/action.hpp"
#include "daemon/core/engine.hpp"
#include "daemon/core/event.hpp"
#include "daemon/os/path_watch.hpp"
#include "daemon/os/worker.hpp"
#include "hal/core/scheduler.hpp"

namespace reeve {

class Gates {
public:
    struct Tell {
        std::function<void(core::Event)> event;  // queues
        std::function<void(const std::vector<std::string>&)> devices_changed;
    };
    Gates(os::Loop& loop, os::Worker& worker, Tell tell);

    void watch(core::UnitId unit, units::UnitPtr definition);
    void unwatch(core::UnitId unit);
    void test(core::UnitId unit, const units::UnitPtr& definition);

    // The devices there are, by name. Those who hold one that is gone keep it.
    void set_devices(const std::map<std::string, std::uint32_t>& capacities);
    [[nodiscard]] const std::map<std::string, std::uint32_t>& devices() const { return devices_; }
    void ask_leases(core::UnitId unit, const units::UnitFile& definition);
    void return_leases(core::UnitId unit);
    [[nodiscard]] bool holds(core::UnitId unit) const;
    // The answer to test() is on record.
    void tested(core::UnitId unit);

    [[nodiscard]] const hal::Scheduler& scheduler() const { return scheduler_; }

    // Of a manager that takes over: what is called while it stands still is remembered and tells
    // nobody; resume() watches, and tests again what was not answered.
    void stand_still() { still_ = true; }
    void resume();
    [[nodiscard]] std::string save() const;
    // The watched units have their definitions from `engine`. Throws std::invalid_argument.
    void load(std::string_view saved, const core::Engine& engine);

private:
    void tell(const hal::Outcome& outcome);
    void submit_test(core::UnitId unit, const units::UnitPtr& definition);

    os::Worker& worker_;
    Tell tell_;
    os::PathWatch paths_;
    hal::Scheduler scheduler_;
    std::map<core::UnitId, units::UnitPtr> watched_;
    std::map<core::UnitId, std::vector<std::string>> leased_;  // asked for or held
    std::map<std::string, std::uint32_t> devices_;
    struct Test {
        units::UnitPtr definition;
        unsigned unanswered = 0;
    };
    std::map<core::UnitId, Test> tests_;
    bool still_ = false;
};

}  // namespace reeve
