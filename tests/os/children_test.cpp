#include "daemon/os/children.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/os/support/children_bench.hpp"

namespace reeve::os {
namespace {

using testing::ChildrenBench;

TEST(Children, TellStartThenEndWithTheExitCode) {
    ChildrenBench b;
    const auto process = b.shell("exit 42");
    const auto* ended = b.wait<Ended>(process);
    ASSERT_NE(ended, nullptr);
    EXPECT_EQ(ended->status, (core::ExitStatus{42, 0, false, false}));
    ASSERT_EQ(b.told.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<Started>(b.told[0]));
    EXPECT_EQ(b.children.pid_of(process), 0);
}

TEST(Children, SignalGoesToTheProcessAndComesBackAsItsEnd) {
    ChildrenBench b;
    const auto process = b.start({"/bin/sleep", "60"});
    ASSERT_NE(b.wait<Started>(process), nullptr);
    const pid_t pid = b.children.pid_of(process);
    ASSERT_GT(pid, 0);
    EXPECT_EQ(b.children.find(pid), process);
    EXPECT_TRUE(b.children.signal(process, SIGTERM));
    const auto* ended = b.wait<Ended>(process);
    ASSERT_NE(ended, nullptr);
    EXPECT_EQ(ended->status.signal, SIGTERM);
    EXPECT_FALSE(b.children.signal(process, SIGTERM));
    EXPECT_EQ(b.children.find(pid), std::nullopt);
}

TEST(Children, MissingProgramIsNotStartedAndLeavesNoZombie) {
    ChildrenBench b;
    const auto process = b.start({"/nonexistent/program"});
    const auto* failed = b.wait<NotStarted>(process);
    ASSERT_NE(failed, nullptr);
    EXPECT_EQ(failed->stage, SpawnStage::exec);
    EXPECT_EQ(failed->error, ENOENT);
    EXPECT_TRUE(b.turn([&] { return b.children.stats().reaped == 1; }));
    EXPECT_EQ(b.told.size(), 1U);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // ECHILD
}

TEST(Children, OrphansAreReapedAndTheirMainIsFollowed) {
    ChildrenBench b;
    // The outer shell ends at once; the sleep behind it becomes our child.
    const auto process = b.shell("sleep 0.05 & exit 0");
    ASSERT_NE(b.wait<Ended>(process), nullptr);
    EXPECT_TRUE(b.turn([&] { return b.count<OrphanReaped>() == 1; }));
    EXPECT_EQ(b.children.stats().orphans, 1U);
}

}  // namespace
}  // namespace reeve::os
