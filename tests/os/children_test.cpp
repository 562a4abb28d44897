#include "daemon/os/children.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "tests/os/support/children_bench.hpp"
#include "tests/os/support/pipe.hpp"

namespace reeve::os {
namespace {

using testing::ChildrenBench;

struct NumberPipe : testing::Pipe {
    [[nodiscard]] pid_t read_number() const {
        char text[32] = {};
        (void)!::read(read.get(), text, sizeof text - 1);
        return std::atoi(text);
    }
};

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

// What a daemon does that forks into the background: its parent ends, and it becomes our child.
TEST(Children, MainProcessThatWasTakenOverTellsItsExitCode) {
    ChildrenBench b;
    NumberPipe out;
    SpawnPlan plan;
    plan.argv = {"/bin/sh", "-c", "sh -c 'read x; exit 33' <&3 & echo $!"};
    plan.out = out.write.get();
    testing::Pipe in;
    plan.extra = in.read.get();
    plan.extra_as = 3;
    const auto parent = b.start(std::move(plan));
    ASSERT_NE(b.wait<Ended>(parent), nullptr);
    const pid_t pid = out.read_number();
    const core::UnitId unit{900};
    const core::RunId run{901};
    ASSERT_TRUE(b.children.watch_main(unit, run, pid));
    EXPECT_EQ(b.children.main_of(unit, run), pid);
    EXPECT_TRUE(b.children.signal_main(unit, run, 0));
    ASSERT_EQ(::write(in.write.get(), "\n", 1), 1);
    ASSERT_TRUE(b.turn([&] { return b.count<MainEnded>() == 1; }));
    EXPECT_EQ(std::get<MainEnded>(b.told.back()).status, (core::ExitStatus{33, 0, false, false}));
    EXPECT_EQ(b.children.main_of(unit, run), 0);
    EXPECT_FALSE(b.children.signal_main(unit, run, SIGTERM));
    EXPECT_FALSE(b.children.watch_main(unit, run, pid));
    EXPECT_EQ(b.count<OrphanReaped>(), 0);
}

// Its parent is another and lives: nobody tells us the status.
TEST(Children, MainProcessOfAnotherParentEndsWithUnknownStatus) {
    ChildrenBench b;
    NumberPipe out;
    SpawnPlan plan;
    plan.argv = {"/bin/sh", "-c", "sleep 60 & echo $!; wait; sleep 60"};
    plan.env = {"PATH=/bin"};
    plan.out = out.write.get();
    const auto parent = b.start(std::move(plan));
    ASSERT_NE(b.wait<Started>(parent), nullptr);
    const core::UnitId unit{900};
    const core::RunId run{901};
    ASSERT_TRUE(b.children.watch_main(unit, run, out.read_number()));
    ASSERT_TRUE(b.children.signal_main(unit, run, SIGKILL));
    ASSERT_TRUE(b.turn([&] { return b.count<MainEnded>() == 1; }));
    EXPECT_TRUE(std::get<MainEnded>(b.told.back()).status.unknown);
    b.children.signal_group(parent, SIGKILL);
    b.wait<Ended>(parent);
}

TEST(Children, ForgottenMainIsNoNews) {
    ChildrenBench b;
    const auto process = b.start({"/bin/sleep", "60"});
    b.wait<Started>(process);
    ASSERT_TRUE(b.children.watch_main(process.unit, process.run, b.children.pid_of(process)));
    b.children.forget_main(process.unit, process.run);
    b.children.signal(process, SIGKILL);
    b.wait<Ended>(process);
    EXPECT_EQ(b.count<MainEnded>(), 0);
}

}  // namespace
}  // namespace reeve::os
