// A start that does not come back holds one thread, never the loop and never the other starts.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/os/support/containment_bench.hpp"

namespace reeve::os {
namespace {

using testing::ContainmentBench;
using testing::TestRun;

class SpawnHang : public ContainmentBench {
protected:
    SpawnHang() : ContainmentBench{true} {}

    void freeze(const std::string& unit, bool on) {
        const std::string said = containment.describe();
        std::ofstream{said.substr(said.find('/')) + "/" + unit + "/cgroup.freeze"} << (on ? 1 : 0);
    }
    // In a frozen cgroup the child cannot come to its exec.
    core::ProcessRef start_frozen() {
        frozen_ = containment.has_cgroups() && frozen_.cgroup < 0 ? enter("frozen") : frozen_;
        freeze("frozen", true);
        return start(frozen_, "exit 4");
    }
    [[nodiscard]] int hanging() const {
        return static_cast<int>(std::count_if(told.begin(), told.end(), [](const auto& news) {
            const auto* hang = std::get_if<SpawnHangs>(&news);
            return hang != nullptr && !hang->over;
        }));
    }

    TestRun frozen_;
};

TEST_F(SpawnHang, OtherStartsGoOnAndItsOwnEndsWhenItMay) {
    const auto hung = start_frozen();
    const auto hung_too = start_frozen();
    const TestRun other = enter("other");
    const auto quick = start(other, "exit 6");
    ASSERT_TRUE(turn([&] { return find<Ended>(quick) != nullptr; }));
    EXPECT_EQ(find<Ended>(quick)->status.code, 6);
    ASSERT_TRUE(turn([&] { return hanging() == 2; }));
    EXPECT_EQ(
        std::get<SpawnHangs>(*std::find_if(told.begin(), told.end(),
                                           [](const auto& news) {
                                               return std::holds_alternative<SpawnHangs>(news);
                                           }))
            .path,
        "/bin/sh");
    EXPECT_EQ(find<Started>(hung), nullptr);
    EXPECT_GE(children.stats().spare_threads, 1U);

    freeze("frozen", false);
    ASSERT_TRUE(turn([&] { return find<Ended>(hung) && find<Ended>(hung_too); }));
    EXPECT_EQ(find<Ended>(hung)->status.code, 4);
    EXPECT_EQ(count<SpawnHangs>(), 4);  // each began and was over
}

TEST_F(SpawnHang, WithNoSpareLeftStartsWaitAndMayBeCancelled) {
    std::vector<core::ProcessRef> hung;
    for (int i = 0; i < 8; ++i) hung.push_back(start_frozen());
    ASSERT_TRUE(turn([&] { return hanging() == 8; }));
    EXPECT_EQ(children.stats().spare_threads, 6U);

    const TestRun other = enter("other");
    const auto cancelled = start(other, "exit 0");
    const auto patient = start(other, "exit 0");
    EXPECT_EQ(children.stats().waiting, 2U);
    EXPECT_FALSE(children.signal(cancelled, SIGUSR1));
    EXPECT_TRUE(children.signal(cancelled, SIGTERM));
    ASSERT_TRUE(turn([&] { return find<NotStarted>(cancelled) != nullptr; }));
    EXPECT_EQ(find<NotStarted>(cancelled)->error, ECANCELED);
    EXPECT_EQ(children.stats().waiting, 1U);

    freeze("frozen", false);
    ASSERT_TRUE(turn([&] {
        return find<Ended>(patient) && std::all_of(hung.begin(), hung.end(), [&](const auto& each) {
                   return find<Ended>(each) != nullptr;
               });
    }));
}

TEST_F(SpawnHang, KilledWhileItHangsItWasNeverStarted) {
    const auto hung = start_frozen();
    ASSERT_TRUE(turn([&] { return hanging() == 1; }));
    EXPECT_TRUE(children.signal(hung, SIGKILL));
    ASSERT_TRUE(turn([&] { return find<NotStarted>(hung) != nullptr; }));
    EXPECT_EQ(find<NotStarted>(hung)->error, ECANCELED);
    EXPECT_TRUE(turn([&] { return children.stats().reaped == 1; }));
    EXPECT_EQ(find<Started>(hung), nullptr);
    EXPECT_EQ(find<Ended>(hung), nullptr);
}

}  // namespace
}  // namespace reeve::os
