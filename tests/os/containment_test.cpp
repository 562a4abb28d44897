#include "daemon/os/containment.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "daemon/os/cgroup_dir.hpp"
#include "tests/os/support/containment_bench.hpp"

namespace reeve::os {
namespace {

using testing::ContainmentBench;
using testing::holding_names;
using testing::TestRun;

// Both ways of holding processes together keep the same promises.
class Holding : public ContainmentBench, public ::testing::WithParamInterface<bool> {
protected:
    Holding() : ContainmentBench{GetParam()} {}
};
INSTANTIATE_TEST_SUITE_P(Ways, Holding, ::testing::Values(true, false), holding_names);

TEST_P(Holding, RunIsEmptyWhenItsLastProcessIsGone) {
    const TestRun run = enter("plain");
    const auto process = start(run, "sleep 0.1 & exit 0");
    ASSERT_TRUE(turn([&] { return find<Ended>(process) != nullptr; }));
    containment.watch_empty(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return count<OrphanReaped>() == 1 && !emptied.empty(); }));
    EXPECT_EQ(emptied, std::vector{run});
    EXPECT_TRUE(containment.members(run.unit, run.id).empty());
    EXPECT_TRUE(containment.is_empty(run.unit, run.id));
}

TEST_P(Holding, TellsOnceForEachTimeItIsAsked) {
    const TestRun run = enter("asked");
    containment.watch_empty(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return emptied.size() == 1; }));
    start(run, "exit 0");
    settle();
    EXPECT_EQ(emptied.size(), 1U);
    containment.watch_empty(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return emptied.size() == 2; }));
}

// Its cgroup.events cannot be opened for a while.
TEST_P(Holding, EmptinessIsSeenWhenAShortageOfDescriptorsIsOver) {
    const TestRun run = enter("short");
    const auto process = start(run, "exit 0");
    ASSERT_TRUE(turn([&] { return find<Ended>(process) != nullptr; }));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    containment.watch_empty(run.unit, run.id);
    const bool was_empty = !emptied.empty();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_FALSE(was_empty);
    ASSERT_TRUE(turn([&] { return emptied.size() == 1; }));
}

TEST_P(Holding, KillAllReachesThoseWhoLeftTheirSession) {
    const TestRun run = enter("escapee");
    const auto process = start(run, "setsid sleep 60 & setsid sleep 60 & exec sleep 60");
    ASSERT_TRUE(turn([&] { return containment.members(run.unit, run.id).size() == 3; }));
    EXPECT_TRUE(containment.contains(run.unit, run.id, children.pid_of(process)));
    EXPECT_FALSE(containment.contains(run.unit, run.id, ::getpid()));
    EXPECT_FALSE(containment.is_empty(run.unit, run.id));
    containment.watch_empty(run.unit, run.id);
    containment.kill_all(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return !emptied.empty(); }));
}

TEST_P(Holding, SignalAllLeavesOneOutAndOtherRunsAlone) {
    const TestRun one = enter("one");
    const TestRun other = enter("other");
    start(one, "sleep 60 & sleep 60 & exec sleep 60");
    start(other, "exec sleep 60");
    ASSERT_TRUE(turn([&] {
        return containment.members(one.unit, one.id).size() == 3 &&
               containment.members(other.unit, other.id).size() == 1;
    }));
    const pid_t spared = containment.members(one.unit, one.id).front();
    containment.signal_all(one.unit, one.id, SIGTERM, spared);
    ASSERT_TRUE(
        turn([&] { return containment.members(one.unit, one.id) == std::vector<pid_t>{spared}; }));
    EXPECT_EQ(containment.members(other.unit, other.id).size(), 1U);
    containment.kill_all(one.unit, one.id);
    containment.kill_all(other.unit, other.id);
}

TEST_P(Holding, NewsOfAnEarlierRunChangesNothing) {
    const TestRun first = enter("again");
    containment.watch_empty(first.unit, first.id);
    containment.leave(first.unit);
    const TestRun second = enter("again", first.unit);
    const auto process = start(second, "exec sleep 60");
    ASSERT_TRUE(turn([&] { return children.pid_of(process) != 0; }));
    containment.kill_all(first.unit, first.id);
    settle();
    EXPECT_TRUE(emptied.empty());
    EXPECT_EQ(containment.members(second.unit, second.id).size(), 1U);
    containment.kill_all(second.unit, second.id);
}

// As after a re-exec: the one who made it is gone, nothing of it is removed.
TEST_P(Holding, ARunIsTakenOver) {
    const TestRun run = enter("passed-on");
    start(run, "sleep 60 & exec sleep 60");
    ASSERT_TRUE(turn([&] { return containment.members(run.unit, run.id).size() == 2; }));
    const auto before = containment.members(run.unit, run.id);
    std::vector<TestRun> gone;
    Containment next{loop, "test-" + std::to_string(::getpid()),
                     [&](core::UnitId unit, core::RunId id) {
                         gone.push_back({unit, id, -1});
                     },
                     GetParam()};
    containment.abandon();
    next.adopt(run.unit, "passed-on", run.id, mark(run));
    EXPECT_EQ(next.members(run.unit, run.id), before);
    EXPECT_TRUE(next.contains(run.unit, run.id, before.front()));
    EXPECT_FALSE(next.oom_killed(run.unit));
    next.watch_empty(run.unit, run.id);
    next.kill_all(run.unit, run.id);
    EXPECT_TRUE(turn([&] {
        next.after_reap();
        return gone == std::vector{run};
    }));
}

class Cgroups : public ContainmentBench {
protected:
    Cgroups() : ContainmentBench{true} {}
    [[nodiscard]] std::string folder(const std::string& unit) const {
        const std::string said = containment.describe();
        return said.substr(said.find('/')) + "/" + unit;
    }
};

TEST_F(Cgroups, FrozenCgroupIsThawedBeforeAStart) {
    const TestRun run = enter("frozen");
    std::ofstream{folder("frozen") + "/cgroup.freeze"} << "1";
    EXPECT_EQ(containment.enter(run.unit, "frozen", run.id, mark(run)), run.cgroup);
    const auto process = start(run, "exit 5");
    ASSERT_TRUE(turn([&] { return find<Ended>(process) != nullptr; }));
    EXPECT_EQ(find<Ended>(process)->status.code, 5);
}

TEST_F(Cgroups, WhatAnEarlierRunLeftIsNotOfTheNext) {
    const TestRun first = enter("left");
    const auto parent = start(first, "sleep 60 & exit 0");
    ASSERT_TRUE(turn([&] { return find<Ended>(parent) != nullptr; }));  // else it may be the one
    ASSERT_TRUE(turn([&] { return containment.members(first.unit, first.id).size() == 1; }));
    const pid_t left = containment.members(first.unit, first.id).front();
    containment.leave(first.unit);
    const TestRun second = enter("left", first.unit);
    EXPECT_TRUE(containment.members(second.unit, second.id).empty());
    containment.watch_empty(second.unit, second.id);
    ASSERT_TRUE(turn([&] { return emptied == std::vector{second}; }));
    ::kill(left, SIGKILL);
    ASSERT_TRUE(turn([&] { return count<OrphanReaped>() == 1; }));
}

TEST_F(Cgroups, FolderIsReusedAndRemovedAtTheEnd) {
    struct stat before {
    }, after{};
    const TestRun first = enter("reused");
    ASSERT_EQ(::stat(folder("reused").c_str(), &before), 0);
    containment.leave(first.unit);
    enter("reused", first.unit);
    ASSERT_EQ(::stat(folder("reused").c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    const std::string whole = folder("");
    {
        Loop second_loop;
        Containment second{second_loop, "second-" + std::to_string(::getpid()), [](auto, auto) {}};
        second.enter(core::UnitId{1}, "x", core::RunId{1}, "m");
        const std::string said = second.describe();
        const std::string made = said.substr(said.find('/')) + "/x";
        EXPECT_EQ(::stat(made.c_str(), &after), 0);
        EXPECT_NE(made.substr(0, whole.size()), whole);
    }
    EXPECT_NE(::access((whole + "/../second").c_str(), F_OK), 0);
}

TEST_F(Cgroups, NothingOfAnAbandonedOneIsRemovedAndTheRestIsFound) {
    const std::string instance = "passed-on-" + std::to_string(::getpid());
    const core::UnitId unit{1};
    std::string made;
    {
        Containment first{loop, instance, [](auto, auto) {}};
        const std::string said = first.describe();
        made = said.substr(said.find('/'));
        for (const int run : {1, 2, 3}) {
            const core::RunId id{static_cast<std::uint64_t>(run)};
            SpawnPlan plan;
            plan.argv = {"/bin/sleep", "60"};
            plan.cgroup = first.enter(unit, "x", id, "m");
            children.start({unit, id, ++last}, std::move(plan));
            ASSERT_TRUE(turn([&] { return count<Started>() == run; }));
            if (run < 3) first.leave_behind(unit);
        }
        first.enter(core::UnitId{2}, "empty", core::RunId{1}, "m");
        first.abandon();
    }
    std::ofstream{made + "/x+3/cgroup.freeze"} << "1";
    Containment next{loop, instance, [](auto, auto) {}};
    next.adopt(unit, "x", core::RunId{3}, "m");
    next.adopt_rest({{unit, "x"}, {core::UnitId{2}, "empty"}});
    EXPECT_EQ(next.members(unit, core::RunId{3}).size(), 1U);
    EXPECT_EQ(next.left_behind(unit).size(), 2U);
    EXPECT_NE(::access((made + "/empty").c_str(), F_OK), 0);
    EXPECT_EQ(::access((made + "/x").c_str(), F_OK), 0);
    EXPECT_FALSE(next.is_all_empty());
    next.signal_everything(SIGTERM);
    EXPECT_TRUE(turn([&] { return count<Ended>() == 3 && next.is_all_empty(); }));
}

// What was killed for want of memory before the run began is not of the run.
TEST_F(Cgroups, ANumberStaysWithTheFolder) {
    enter("noted");
    const std::string said = containment.describe();
    const posix::Fd parent{
        ::open(said.substr(said.find('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const CgroupDir folder{parent.get(), "noted"};
    EXPECT_EQ(folder.note(), 0U);
    folder.set_note(3);
    if (folder.note() == 0) GTEST_SKIP() << "the kernel keeps no attributes of cgroups";
    EXPECT_EQ((CgroupDir{parent.get(), "noted"}.note()), 3U);
}

TEST_F(Cgroups, ManyUnitsThatCameAndWentLeaveFewFolders) {
    for (int i = 0; i < 100; ++i) containment.leave(enter("brief" + std::to_string(i)).unit);
    struct stat about {};
    ASSERT_EQ(::stat(folder("").c_str(), &about), 0);
    EXPECT_LE(about.st_nlink, 2U + 16U);
}

// Somebody removes what is ours (an administrator, systemd without Delegate=): the next start
// makes it anew.
TEST_F(Cgroups, LostFolderIsMadeAnew) {
    const TestRun first = enter("lost");
    containment.leave(first.unit);
    ASSERT_EQ(::rmdir(folder("lost").c_str()), 0);
    const TestRun second = enter("lost", first.unit);
    const auto process = start(second, "exit 3");
    ASSERT_TRUE(turn([&] { return find<Ended>(process) != nullptr; }));
    EXPECT_EQ(find<Ended>(process)->status.code, 3);
}

TEST_F(Cgroups, SubfoldersOfAUnitBelongToIt) {
    const TestRun run = enter("nested");
    const auto process = start(run, "mkdir " + folder("nested") + "/below && echo $$ > " +
                                        folder("nested") + "/below/cgroup.procs && exec sleep 60");
    ASSERT_TRUE(turn([&] {
        return ::access((folder("nested") + "/below").c_str(), F_OK) == 0 &&
               containment.members(run.unit, run.id).size() == 1;
    }));
    EXPECT_TRUE(containment.contains(run.unit, run.id, children.pid_of(process)));
    containment.watch_empty(run.unit, run.id);
    containment.kill_all(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return !emptied.empty(); }));
}

// Kernels before 5.14 have no cgroup.kill.
TEST_F(Cgroups, KillsByHandWithTheFreezer) {
    const TestRun run = enter("by-hand");
    start(run, "while :; do setsid sh -c 'sleep 60 & sleep 60' & sleep 0.01; done");
    ASSERT_TRUE(turn([&] { return containment.members(run.unit, run.id).size() > 10; }));
    const posix::Fd parent{::open(folder("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    CgroupDir dir{parent.get(), "by-hand"};
    ASSERT_TRUE(turn([&] {
        dir.freeze_and_kill();
        return !dir.read_events().populated;
    }));
}

TEST_F(Cgroups, WithoutRoomForAnotherTheUnitFallsBackToItsProcessGroup) {
    const std::string limit = folder("") + "cgroup.max.descendants";
    { std::ofstream{limit} << "0"; }
    const TestRun run = enter("no-room");
    { std::ofstream{limit} << "max"; }
    EXPECT_EQ(run.cgroup, -1);
    start(run, "setsid sleep 60 & exec sleep 60");
    ASSERT_TRUE(turn([&] { return containment.members(run.unit, run.id).size() == 2; }));
    containment.watch_empty(run.unit, run.id);
    containment.kill_all(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return !emptied.empty(); }));
}

class Groups : public ContainmentBench {
protected:
    Groups() : ContainmentBench{false} {}
};

// As a daemon does that forks twice and writes its title over its environment.
TEST_F(Groups, ClaimsAnUnmarkedOrphanThatIsYoungerThanTheRun) {
    const TestRun run = enter("daemon");
    start(run, "env -i setsid sh -c 'sleep 60 & echo $! > " + scratch("pid") + "' & wait; exit 0");
    pid_t pid = 0;
    ASSERT_TRUE(turn([&] { return std::ifstream{scratch("pid")} >> pid && pid > 0; }));
    settle();
    EXPECT_TRUE(containment.contains(run.unit, run.id, pid));
    const TestRun other = enter("other");
    EXPECT_FALSE(containment.contains(other.unit, other.id, pid));
    EXPECT_FALSE(containment.contains(other.unit, other.id, 1));
    containment.watch_empty(run.unit, run.id);
    containment.kill_all(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return !emptied.empty(); }));
}

// As redis does: its title is written over its environment, and with it over the mark.
TEST_F(Groups, RemembersAStartedProcessThatLosesItsMark) {
    const TestRun run = enter("titled");
    const auto process = start(run, "exec env -i sleep 60");
    ASSERT_TRUE(turn([&] { return count<Started>() == 1; }));
    containment.joined(run.unit, run.id, children.pid_of(process));
    settle();  // the mark is gone now
    EXPECT_FALSE(containment.is_empty(run.unit, run.id));
    containment.watch_empty(run.unit, run.id);
    containment.kill_all(run.unit, run.id);
    ASSERT_TRUE(turn([&] { return !emptied.empty(); }));
}

}  // namespace
}  // namespace reeve::os
