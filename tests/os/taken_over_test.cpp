// A manager is killed with its processes in every state, and the next one finds them.
#include "daemon/os/taken_over.hpp"

#include <random>
#include <set>

#include "daemon/os/containment.hpp"
#include "tests/os/support/keeper_bench.hpp"
#include "tests/os/support/pipe.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

using testing::KeeperBench;
using testing::Manager;
using testing::Pipe;
using testing::ref;
using testing::shell_plan;

class TakenOverTest : public KeeperBench {
protected:
    TakenOverTest() {
        in_manager = [this] { let_go(); };  // it holds no end of ours
    }
    // Runs until we let go.
    SpawnPlan waits(const std::string& then) {
        SpawnPlan plan = shell_plan("read x <&3; " + then);
        plan.extra = go.read.get();
        plan.extra_as = 3;
        return plan;
    }
    void let_go() { go.write = {}; }

    // As if a manager had been killed between clone and exec of its child, which goes on.
    state::Slot& forked(const std::function<void(state::Slot&)>& child) {
        Slots slots{file.get()};
        state::Slot& slot = *slots.take(ref(1));
        const pid_t pid = posix::check(::fork(), "fork");
        if (pid == 0) {
            go.write = {};
            char end = 0;
            (void)!::read(go.read.get(), &end, 1);
            child(slot);
            ::_exit(127);
        }
        slot.pid = pid;
        return slot_at(0);
    }
    // A running child of the keeper.
    static pid_t sleeper() {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::execl("/bin/sleep", "sleep", "60", nullptr);
            ::_exit(127);
        }
        return pid;
    }
    void adopt_all(bool started = true, bool belongs = true) {
        start_manager([=](Manager& m) {
            m.adopt_all(started, belongs);
            m.say("adopted");
        });
        ASSERT_TRUE(says("adopted"));
    }
    [[nodiscard]] std::size_t descendants_but_manager() {
        const auto all = descendants();
        return static_cast<std::size_t>(std::count_if(
            all.begin(), all.end(), [&](const auto& each) { return each.id.pid != manager(); }));
    }
    [[nodiscard]] bool all_free() {
        for (std::uint32_t i = 0; i < header().slots; ++i) {
            if (std::atomic_ref{slot_at(i).use}.load() != state::Use::free) return false;
        }
        return true;
    }

    Pipe go;
};

TEST_F(TakenOverTest, RunningIsFoundSignalledAndItsEndIsTold) {
    start_manager([&](Manager& m) { m.children.start(ref(1), waits("exit 3")); });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    const pid_t pid = slot_at(0).pid;
    EXPECT_EQ(slot_at(0).start_time, read_process_stat(pid)->start_time);
    start_manager([&](Manager& m) {
        m.adopt_all();
        if (m.children.pid_of(ref(1)) == pid && m.children.find(pid) == ref(1)) m.say("known");
        if (m.children.signal(ref(1), SIGTERM)) m.say("signalled");
    });
    EXPECT_TRUE(says("found 1 running"));
    EXPECT_TRUE(says("known"));
    EXPECT_TRUE(says("signalled"));
    EXPECT_TRUE(says("ended 1 signal 15"));
    EXPECT_EQ(count("started 1"), 1);
    EXPECT_TRUE(until([&] { return all_free(); }));
}

TEST_F(TakenOverTest, StartedIsToldIfItNeverWas) {
    start_manager([&](Manager& m) { m.children.start(ref(1), waits("exit 3")); });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    adopt_all(false);
    EXPECT_TRUE(until([&] { return count("started 1") == 2; }));
    let_go();
    EXPECT_TRUE(says("ended 1 code 3"));
}

TEST_F(TakenOverTest, WhatEndedMeanwhileHasItsCode) {
    start_manager([&](Manager& m) { m.children.start(ref(1), waits("exit 7")); });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    let_go();
    ASSERT_TRUE(until([&] { return exit_in(slot_at(0)) != 0; }));
    adopt_all();
    EXPECT_TRUE(says("found 1 ended"));
    EXPECT_TRUE(says("ended 1 code 7"));
    EXPECT_TRUE(until([&] { return all_free(); }));
}

TEST_F(TakenOverTest, AnEndOnItsWayIsWaitedFor) {
    start_manager([&](Manager& m) { m.children.start(ref(1), waits("exit 7")); });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    reaps = false;
    let_go();
    const pid_t pid = slot_at(0).pid;
    ASSERT_TRUE(until([&] { return read_process_stat(pid)->ended(); }));
    adopt_all();
    EXPECT_EQ(count("found 1 ending"), 1);
    EXPECT_EQ(said.back(), "adopted") << "the status is not guessed";
    reaps = true;
    EXPECT_TRUE(says("ended 1 code 7"));
}

TEST_F(TakenOverTest, WithoutAKeeperTheStatusIsUnknown) {
    start_manager([&](Manager& m) { m.children.start(ref(1), waits("exit 7")); });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    header().keeper_pid = 0;
    reaps = false;
    adopt_all();
    EXPECT_EQ(count("found 1 running"), 1);
    let_go();
    EXPECT_TRUE(says("ended 1 unknown"));
}

TEST_F(TakenOverTest, WhatWasNeverClonedIsToBeStarted) {
    start_manager([](Manager& m) {
        m.slots.take(ref(1));
        m.say("taken");
    });
    ASSERT_TRUE(says("taken"));
    kill_manager();
    adopt_all(false);
    EXPECT_EQ(count("found 1 never begun"), 1);
    EXPECT_FALSE(all_free());
    kill_manager();
    start_manager([](Manager& m) {
        m.adopt_all(false);
        m.children.start(ref(1), shell_plan("exit 6"));
        m.say(std::to_string(m.slots.header().slots) + " slots");
    });
    EXPECT_TRUE(says("1 slots"));
    EXPECT_TRUE(says("ended 1 code 6"));
    EXPECT_TRUE(until([&] { return all_free(); }));
}

// The child writes why itself: the manager is gone before it could look.
TEST_F(TakenOverTest, WhoGaveUpBeforeExecSaysWhy) {
    start_manager([](Manager& m) {
        SpawnPlan plan;
        plan.argv = {"/nonexistent"};
        m.children.start(ref(1), std::move(plan));
        for (;;) ::pause();
    });
    ASSERT_TRUE(until([&] { return header().slots == 1 && error_in(slot_at(0)) != 0; }));
    kill_manager();
    adopt_all(false);
    EXPECT_TRUE(says("not started 1 exec " + std::to_string(ENOENT)));
    EXPECT_TRUE(until([&] { return all_free(); }));
}

TEST_F(TakenOverTest, ExecAfterTheDeathOfTheManagerIsToldWhenItHappens) {
    forked([](state::Slot& slot) {
        slot.stage = static_cast<std::uint16_t>(SpawnStage::exec);
        ::execl("/bin/sh", "sh", "-c", "exit 4", nullptr);
    });
    adopt_all(false, false);
    EXPECT_EQ(count("found 1 before exec"), 1);
    EXPECT_EQ(said.back(), "adopted");
    let_go();
    EXPECT_TRUE(says("ended 1 code 4"));
    EXPECT_EQ(count("started 1"), 1);
}

TEST_F(TakenOverTest, FailureAfterTheDeathOfTheManagerIsTold) {
    forked([](state::Slot& slot) {
        slot.stage = static_cast<std::uint16_t>(SpawnStage::chdir);
        std::atomic_ref{slot.error}.store(EACCES);
    });
    adopt_all(false);
    let_go();
    EXPECT_TRUE(says("not started 1 chdir " + std::to_string(EACCES)));
    EXPECT_EQ(count("started 1"), 0);
}

// By the OOM killer, say: its memory is that of the manager.
TEST_F(TakenOverTest, WhoIsKilledBeforeExecWasNotStarted) {
    const state::Slot& slot = forked([](state::Slot&) {});
    adopt_all(false);
    ::kill(slot.pid, SIGKILL);
    EXPECT_TRUE(says("not started 1 clone " + std::to_string(ECANCELED)));
}

TEST_F(TakenOverTest, AnotherOfTheSameNumberIsNotTaken) {
    Slots slots{file.get()};
    state::Slot& slot = *slots.take(ref(1));
    const pid_t pid = slot.pid = sleeper();
    slot.start_time = read_process_stat(pid)->start_time - 1;
    start_manager([](Manager& m) {
        m.adopt_all();
        if (!m.children.signal(ref(1), SIGKILL)) m.say("left alone");
    });
    EXPECT_TRUE(says("found 1 ending"));
    EXPECT_TRUE(says("left alone"));
    EXPECT_TRUE(says("ended 1 unknown"));
    EXPECT_FALSE(read_process_stat(pid)->ended());
    ::kill(pid, SIGKILL);
}

TEST_F(TakenOverTest, WithoutAStartTimeTheCgroupDecides) {
    for (const bool belongs : {true, false}) {
        Slots slots{file.get()};
        state::Slot& slot = *slots.take(ref(belongs ? 1 : 2));
        slot.stage = static_cast<std::uint16_t>(SpawnStage::exec);
        slot.pid = sleeper();
        ASSERT_TRUE(until([&] { return read_process_stat(slot.pid)->executed(); }));
        adopt_all(true, belongs);
        EXPECT_TRUE(says(belongs ? "found 1 running" : "found 2 ending"));
        EXPECT_TRUE(belongs || says("ended 2 unknown"));
        ::kill(slot.pid, SIGKILL);
        EXPECT_TRUE(says(belongs ? "ended 1 signal 9" : "ended 2 unknown"));
        ASSERT_TRUE(until([&] { return all_free(); }));
        kill_manager();
    }
}

TEST_F(TakenOverTest, AMainProcessIsTakenOverAgain) {
    const pid_t pid = sleeper();
    start_manager([=](Manager& m) {
        m.children.watch_main(core::UnitId{1}, core::RunId{1}, pid);
        m.say("watched");
    });
    ASSERT_TRUE(says("watched"));
    kill_manager();
    start_manager([=](Manager& m) {
        m.adopt_all();
        if (m.children.main_of(core::UnitId{1}, core::RunId{1}) == pid &&
            m.children.signal_main(core::UnitId{1}, core::RunId{1}, SIGTERM))
            m.say("known");
    });
    EXPECT_TRUE(says("found 1 running"));
    EXPECT_TRUE(says("known"));
    EXPECT_TRUE(says("main ended 1 signal 15"));
    EXPECT_TRUE(until([&] { return all_free(); }));
}

// A child of the keeper, so only that knows how it ended.
TEST_F(TakenOverTest, TheKeeperTellsHowAMainProcessEnded) {
    const pid_t pid = sleeper();
    start_manager([=](Manager& m) {
        m.children.watch_main(core::UnitId{1}, core::RunId{1}, pid);
        m.children.signal_main(core::UnitId{1}, core::RunId{1}, SIGINT);
    });
    EXPECT_TRUE(says("main ended 1 signal 2"));
    EXPECT_EQ(header().next_unplaced, 0U);
}

// Reaped in the moment between its being found and its being written down.
TEST_F(TakenOverTest, AMainProcessReapedTooEarlyIsFoundAmongTheUnplaced) {
    const pid_t pid = sleeper();
    const auto start_time = read_process_stat(pid)->start_time;
    ::kill(pid, SIGHUP);
    ASSERT_TRUE(until([&] { return header().next_unplaced == 1; }));
    Slots slots{file.get()};
    slots.take_main(core::UnitId{1}, core::RunId{1}, pid, start_time);
    slots.take_main(core::UnitId{2}, core::RunId{2}, pid, start_time + 1);
    adopt_all();
    EXPECT_TRUE(says("main ended 1 signal 1"));
    EXPECT_TRUE(says("main ended 2 unknown"));
}

TEST_F(TakenOverTest, FoundByItsCgroupItIsFollowed) {
    const pid_t pid = sleeper();
    start_manager([=](Manager& m) {
        if (m.children.adopt(ref(1), pid)) m.say("adopted");
        if (!m.children.adopt(ref(2), 0x3fffffff)) m.say("nobody");
        m.children.signal(ref(1), SIGTERM);
    });
    EXPECT_TRUE(says("nobody"));
    EXPECT_TRUE(says("ended 1 signal 15"));
}

// They are no descendants of the next manager, but of the keeper.
TEST_F(TakenOverTest, WithoutCgroupsTheRunIsFoundByItsMark) {
    const auto count_members = [](Manager& m, bool below_the_keeper) {
        Containment containment{m.loop, "marked", [](auto, auto) {}, false};
        if (below_the_keeper) containment.look_below(::getppid());
        containment.adopt(core::UnitId{1}, "marked", core::RunId{1}, "taken-over");
        const auto members = containment.members(core::UnitId{1}, core::RunId{1});
        m.say(std::to_string(members.size()) + " members");
    };
    start_manager([&](Manager& m) {
        SpawnPlan plan = waits("sleep 60 & wait");
        plan.env.emplace_back("REEVE_RUN=taken-over");
        m.children.start(ref(1), std::move(plan));
    });
    ASSERT_TRUE(says("started 1"));
    kill_manager();
    start_manager([&](Manager& m) {
        m.adopt_all();
        count_members(m, false);
        count_members(m, true);
    });
    EXPECT_TRUE(says("0 members"));
    EXPECT_TRUE(says("1 members"));
}

// ── the order of things ──

class DeathBeforeStarted : public TakenOverTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Orders, DeathBeforeStarted, ::testing::Bool(),
                         [](const auto& order) { return order.param ? "Naive" : "Right"; });

// The process runs, its manager dies before it has heard of it. If it were left to the manager to
// store the pid, once clone3 has returned, the next one would start the process a second time.
TEST_P(DeathBeforeStarted, ThePidIsThereAllTheSame) {
    const bool naive = GetParam();
    Pipe alive;
    const auto body = [&](Manager& m) {
        SpawnPlan plan = shell_plan("echo; exec sleep 60");
        plan.out = alive.write.get();
        if (naive) m.slots.take(ref(1));
        m.children.start(ref(1), std::move(plan));
        for (;;) ::pause();
    };
    start_manager(body, !naive);
    char line = 0;
    ASSERT_EQ(::read(alive.read.get(), &line, 1), 1);
    kill_manager();
    adopt_all(false);
    EXPECT_EQ(said.front(), naive ? "found 1 never begun" : "found 1 running");
    EXPECT_EQ(descendants_but_manager(), 1U) << "it runs, in both cases";
}

// The manager dies after it has reaped, before anything could be recorded.
TEST_F(TakenOverTest, AnExitIsThereBeforeTheManagerReaps) {
    start_manager([&](Manager& m) {
        m.on_news = [](const ChildNews& news) {
            while (std::holds_alternative<Ended>(news)) ::pause();
        };
        m.children.start(ref(1), shell_plan("exit 9"));
    });
    ASSERT_TRUE(says("ended 1 code 9"));
    kill_manager();
    adopt_all();
    EXPECT_TRUE(says("found 1 ended"));
    EXPECT_TRUE(until([&] { return count("ended 1 code 9") == 2; })) << "recorded or told again";
}

// Managers killed at any moment, while processes come and go.
TEST_F(TakenOverTest, NothingIsLostOrStartedTwiceHoweverOftenTheManagerDies) {
    const int kills = full_scale() ? 1'000 : 30;
    const Folder folder;
    const std::string truth = folder / "truth";
    std::minstd_rand random{20'261'121};
    const auto script = [&](std::uint32_t id) {
        return "echo " + std::to_string(id) + " >>" + truth + "; exit " + std::to_string(id % 200);
    };
    const auto manage = [&](Manager& m, bool more) {
        std::vector<state::Slot*> used;
        m.slots.for_each_used([&](state::Slot& slot) { used.push_back(&slot); });
        std::uint64_t& next = m.slots.header().progress;  // ids below it were begun
        for (state::Slot* const slot : used) {
            const std::uint32_t id = slot->unit;
            next = std::max<std::uint64_t>(next, id);
            // Whether its start was told does not matter here: an end is an end.
            if (m.children.adopt(*slot, false, [](pid_t) { return true; }) ==
                TakenOver::Found::never_begun)
                m.children.start(ref(id), shell_plan(script(id)));
        }
        const auto begin = [&m, &next, &script] {
            const auto id = static_cast<std::uint32_t>(next + 1);
            m.children.start(ref(id), shell_plan(script(id)));
            next = id;
        };
        m.on_news = [begin, more](const ChildNews& news) {
            if (more && std::holds_alternative<Ended>(news)) begin();
        };
        while (more && used.size() < 8) {
            begin();
            used.push_back(nullptr);
        }
        m.run();
    };
    for (int i = 0; i < kills; ++i) {
        start_manager([&](Manager& m) { manage(m, true); });
        const auto at =
            std::chrono::steady_clock::now() + std::chrono::microseconds{random() % 30'000};
        until([&] { return std::chrono::steady_clock::now() >= at; });
        kill_manager();
    }
    start_manager([&](Manager& m) { manage(m, false); });
    ASSERT_TRUE(until([&] { return all_free(); }));

    std::multiset<std::uint32_t> runs;
    std::ifstream lines{truth};
    for (std::uint32_t id = 0; lines >> id;) runs.insert(id);
    const std::set<std::string> told{said.begin(), said.end()};
    EXPECT_GT(header().progress, static_cast<std::uint64_t>(kills));
    for (std::uint32_t id = 1; id <= header().progress; ++id) {
        EXPECT_EQ(runs.count(id), 1U) << id;
        const std::string end = "ended " + std::to_string(id) + " code ";
        EXPECT_EQ(told.count(end + std::to_string(id % 200)), 1U) << id;
    }
    for (const std::string& line : told)
        EXPECT_TRUE(line.find("unknown") == line.npos && line.find("not started") == line.npos)
            << line;
}

}  // namespace
}  // namespace reeve::os
