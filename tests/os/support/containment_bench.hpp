// Children held together by a Containment: with cgroups where we may, and without.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "daemon/os/containment.hpp"
#include "tests/os/support/children_bench.hpp"

namespace reeve::os::testing {

struct TestRun {
    core::UnitId unit{};
    core::RunId id{};
    int cgroup = -1;
    friend bool operator==(const TestRun& a, const TestRun& b) {
        return a.unit == b.unit && a.id == b.id;
    }
};

class ContainmentBench : public ::testing::Test, public ChildrenBench {
protected:
    explicit ContainmentBench(bool use_cgroups)
        : containment{loop, "test-" + std::to_string(::getpid()),
                      [this](core::UnitId unit, core::RunId run) {
                          emptied.push_back({unit, run, -1});
                      },
                      use_cgroups},
          wants_cgroups_{use_cgroups} {
        on_news = [this](const ChildNews& news) {
            if (std::holds_alternative<Ended>(news) || std::holds_alternative<OrphanReaped>(news)) {
                containment.after_reap();
            }
        };
    }

    void SetUp() override {
        if (wants_cgroups_ && !containment.has_cgroups()) {
            GTEST_SKIP() << "no cgroup v2 delegated to us: " << containment.describe();
        }
    }
    void TearDown() override {
        for (const TestRun& run : entered_) containment.kill_all(run.unit, run.id);
        for (const TestRun& run : entered_) {
            turn([&] { return containment.members(run.unit, run.id).empty(); });
        }
        std::error_code ignored;
        std::filesystem::remove_all(scratch_, ignored);
    }

    // A run of a new unit, or of `unit`.
    TestRun enter(const std::string& name, core::UnitId unit = core::UnitId{0}) {
        TestRun run{unit, core::RunId{++last_run_}, -1};
        if (unit == core::UnitId{0}) run.unit = core::UnitId{last_run_ + 1'000'000U};
        run.cgroup = containment.enter(run.unit, name, run.id, mark(run));
        entered_.push_back(run);
        return run;
    }

    core::ProcessRef start(const TestRun& run, const std::string& script) {
        SpawnPlan plan;
        plan.argv = {"/bin/sh", "-c", script};
        plan.env = {"PATH=/usr/bin:/bin", "REEVE_RUN=" + mark(run)};
        plan.cgroup = run.cgroup;
        const core::ProcessRef process{run.unit, run.id, ++last};
        children.start(process, std::move(plan));
        return process;
    }

    // Until all that was started has been told of, and a little more has happened.
    void settle() {
        EXPECT_TRUE(turn([&] { return count<Started>() == static_cast<int>(last); }));
        bool turned = false;
        loop.set_timer_handler([&] { turned = true; });
        loop.arm(Loop::now() + std::chrono::milliseconds{30});
        EXPECT_TRUE(turn([&] { return turned; }));
    }

    std::string scratch(const std::string& name) {
        std::filesystem::create_directories(scratch_);
        return scratch_ + "/" + name;
    }

    static std::string mark(const TestRun& run) {
        return std::to_string(::getpid()) + "-" +
               std::to_string(static_cast<std::uint64_t>(run.id));
    }

    std::vector<TestRun> emptied;
    Containment containment;

private:
    bool wants_cgroups_;
    std::uint32_t last_run_ = 0;
    std::vector<TestRun> entered_;
    std::string scratch_ = "/tmp/reeve-containment-" + std::to_string(::getpid());
};

inline std::string holding_names(const ::testing::TestParamInfo<bool>& info) {
    return info.param ? "Cgroups" : "ProcessGroups";
}

}  // namespace reeve::os::testing
