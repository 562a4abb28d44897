#include "daemon/core/unit_machine.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <utility>

#include "tests/core/support/units.hpp"

namespace reeve::core {
namespace {

using namespace std::chrono_literals;
using Whom = SendSignal::Whom;

constexpr ExitStatus ok{};
constexpr ExitStatus crash{.signal = 11};

// Drives one machine along a virtual clock and keeps what it asked for.
struct Bench {
    explicit Bench(const std::string& line) : unit{testing::make_unit(line)} {}

    units::UnitPtr unit;
    UnitMachine machine;
    TimePoint now{};
    bool decided = false;
    bool wanted = true;
    std::vector<Action> actions;
    std::uint64_t runs = 0;

    Turn turn() { return {now, UnitId{1}, *unit, decided, wanted, unit->wait_timeout, actions}; }
    template <class News>
    void send(const News& news) {
        actions.clear();
        machine.on(news, turn());
    }
    void begin() {
        actions.clear();
        machine.begin(RunId{++runs}, "", turn());
    }
    void go(Going why) {
        actions.clear();
        decided = why == Going::decision;
        machine.go(why, "", turn());
    }
    // Lets time pass and delivers the deadline if one falls in it.
    void advance(Duration by) {
        now += by;
        actions.clear();
        if (machine.next_deadline() <= now) machine.expire(turn());
    }
    [[nodiscard]] ProcessRef ref(std::uint32_t step) const {
        return {UnitId{1}, RunId{runs}, step};
    }
    void executed(std::uint32_t step = 1) { send(Spawned{ref(step)}); }
    void exits(ExitStatus status, std::uint32_t step = 1, bool empty = true) {
        send(Exited{ref(step), status, false, empty});
    }
    void notify(Notified news) {
        news.unit = UnitId{1};
        news.run = RunId{runs};
        send(news);
    }
    void up() {
        begin();
        executed();
        ASSERT_EQ(machine.state(), State::up);
    }
    template <class A>
    const A* asked_for() const {
        for (const auto& a : actions)
            if (const auto* hit = std::get_if<A>(&a)) return hit;
        return nullptr;
    }
};

TEST(UnitMachine, StartSpawnsAndIsUpOnceExecuted) {
    Bench b{"service web"};
    b.begin();
    ASSERT_TRUE(b.asked_for<BeginRun>());
    ASSERT_TRUE(b.asked_for<Spawn>());
    EXPECT_EQ(b.asked_for<Spawn>()->process.step, 1U);
    EXPECT_EQ(b.machine.state(), State::starting);
    b.executed();
    EXPECT_EQ(b.machine.state(), State::up);
    EXPECT_EQ(b.machine.next_deadline(), never);
}

TEST(UnitMachine, ExitThatOvertakesTheNewsOfTheExecCountsAsUpFirst) {
    Bench b{"service web"};
    b.begin();
    b.exits(crash);
    EXPECT_EQ(b.machine.state(), State::backoff);
    EXPECT_EQ(std::get<Report>(b.actions.front()).to, State::up);
}

TEST(UnitMachine, ProcessThatIgnoresTheStopSignalIsKilledAfterStopTimeout) {
    Bench b{"service web stop-timeout=5s"};
    b.up();
    b.go(Going::decision);
    ASSERT_TRUE(b.asked_for<SendSignal>());
    EXPECT_EQ(b.asked_for<SendSignal>()->signal, 15);
    EXPECT_EQ(b.asked_for<SendSignal>()->whom, Whom::all);
    b.advance(4999ms);
    EXPECT_FALSE(b.asked_for<KillAll>());
    b.advance(1ms);
    ASSERT_TRUE(b.asked_for<KillAll>());
    EXPECT_FALSE(b.asked_for<KillAll>()->main_only);
    EXPECT_EQ(b.machine.state(), State::killing);
    b.wanted = false;
    b.exits({.signal = 9});
    EXPECT_EQ(b.machine.state(), State::down);
    EXPECT_EQ(b.machine.result(), Result::stop_timeout);
}

TEST(UnitMachine, KillModeProcessKillsTheMainProcessAlone) {
    Bench b{"service web stop-timeout=5s kill-mode=process"};
    b.up();
    b.go(Going::decision);
    EXPECT_EQ(b.asked_for<SendSignal>()->whom, Whom::main);
    b.advance(5s);
    EXPECT_TRUE(b.asked_for<KillAll>()->main_only);
    b.exits({.signal = 9}, 1, false);
    EXPECT_FALSE(is_running(b.machine.state()));
    EXPECT_TRUE(b.machine.left_over());
    b.send(Emptied{UnitId{1}, RunId{1}});
    EXPECT_FALSE(b.machine.left_over());
}

TEST(UnitMachine, NotGoneUntilTheCgroupIsEmptyAndTheExitIsKnown) {
    Bench b{"service web"};
    b.up();
    b.wanted = false;
    b.go(Going::decision);
    b.send(Emptied{UnitId{1}, RunId{1}});  // a zombie leaves the cgroup before it is reaped
    EXPECT_EQ(b.machine.state(), State::stopping);
    b.exits(ok, 1, false);
    EXPECT_EQ(b.machine.state(), State::stopping);
    b.send(Emptied{UnitId{1}, RunId{1}});
    EXPECT_EQ(b.machine.state(), State::down);
    EXPECT_TRUE(b.asked_for<EndRun>());
}

TEST(UnitMachine, AnEmptyCgroupBeforeASpawnSaysNothingAboutItsProcesses) {
    Bench b{"service web start-pre=1"};
    b.begin();
    b.exits(ok, 1, true);  // start-pre; the main process is spawned in the same turn
    b.send(Emptied{UnitId{1}, RunId{1}});
    b.executed(2);
    b.exits(crash, 2, false);
    EXPECT_EQ(b.machine.state(), State::stopping) << "workers are left";
    b.send(Emptied{UnitId{1}, RunId{1}});
    EXPECT_EQ(b.machine.state(), State::backoff);
}

TEST(UnitMachine, LateExitOfAnEarlierRunIsIgnored) {
    Bench b{"service web"};
    b.up();
    b.exits(crash);
    b.advance(100ms);
    b.begin();
    b.executed();
    b.send(Exited{{UnitId{1}, RunId{1}, 1}, crash, false, true});
    EXPECT_EQ(b.machine.state(), State::up);
    EXPECT_TRUE(b.actions.empty());
}

TEST(UnitMachine, ReadyOfAnEarlierRunIsIgnored) {
    Bench b{"service web type=notify"};
    b.begin();
    b.exits(crash);
    b.begin();
    Notified old{UnitId{1}, RunId{1}};
    old.ready = true;
    b.send(old);
    EXPECT_EQ(b.machine.state(), State::starting);
}

TEST(UnitMachine, ReadyBeforeTheMainProcessIsStartedIsIgnored) {
    Bench b{"service web type=notify start-pre=1"};
    b.begin();
    b.notify({.ready = true});
    EXPECT_EQ(b.machine.state(), State::starting);
    b.exits(ok);
    EXPECT_EQ(b.machine.state(), State::starting);
    b.notify({.ready = true});
    EXPECT_EQ(b.machine.state(), State::up);
}

TEST(UnitMachine, EndOfANotifyServiceBeforeItIsReadyIsAProtocolErrorThoughClean) {
    Bench b{"service web type=notify restart=no"};
    b.begin();
    b.exits(ok);
    EXPECT_EQ(b.machine.state(), State::failed);
    EXPECT_EQ(b.machine.result(), Result::protocol);
}

TEST(UnitMachine, FailedSpawnTellsStageAndReason) {
    Bench b{"service web restart=no"};
    b.begin();
    b.send(SpawnFailed{b.ref(1), "chdir", 13, true});
    EXPECT_EQ(b.machine.state(), State::failed);
    EXPECT_EQ(b.machine.result(), Result::spawn_failed);
    EXPECT_EQ(b.machine.detail(), "chdir: Permission denied");
}

TEST(UnitMachine, FailingStartPreFailsTheStartUnlessForgiven) {
    Bench b{"service web start-pre=1 restart=no"};
    b.begin();
    b.exits({.code = 3});
    EXPECT_EQ(b.machine.state(), State::failed);
    EXPECT_EQ(b.machine.result(), Result::killed_start);
    EXPECT_EQ(b.machine.detail(), "start-pre: exit code 3");

    Bench c{"service web start-pre=-1"};
    c.begin();
    c.exits({.code = 3});
    ASSERT_TRUE(c.asked_for<Spawn>());
    EXPECT_EQ(c.asked_for<Spawn>()->phase, units::Phase::main);
}

TEST(UnitMachine, FailingStartPostTakesTheMainProcessDown) {
    Bench b{"service web start-post=1 restart=no"};
    b.begin();
    b.executed();
    b.exits({.code = 1}, 2, false);
    EXPECT_EQ(b.machine.state(), State::stopping);
    b.exits({.signal = 15}, 1);
    EXPECT_EQ(b.machine.state(), State::failed);
    EXPECT_EQ(b.machine.result(), Result::killed_start) << "the first verdict stays";
}

TEST(UnitMachine, MainProcessThatEndsDuringStartPostEndsTheStart) {
    Bench b{"service web start-post=1"};
    b.begin();
    b.executed();
    b.exits(crash, 1, false);
    EXPECT_EQ(b.machine.state(), State::stopping);
    b.exits({.signal = 15}, 2);
    EXPECT_EQ(b.machine.state(), State::backoff);
    EXPECT_EQ(b.machine.result(), Result::signal);
}

TEST(UnitMachine, OneshotCommandWhoseFailureIsIgnoredIsFollowedByTheNext) {
    Bench b{"service job type=oneshot main=-2"};
    b.begin();
    b.exits({.code = 1}, 1);
    EXPECT_EQ(b.asked_for<Spawn>()->index, 1U);
    b.exits({.code = 1}, 2);
    EXPECT_EQ(b.machine.state(), State::done);
}

TEST(UnitMachine, OneshotWithoutCommandsIsUpAtOnce) {
    Bench b{"service job type=oneshot main=0 remain-after-exit"};
    b.begin();
    EXPECT_EQ(b.machine.state(), State::up);
}

TEST(UnitMachine, StartTimeoutTellsItToGoAndCountsAsItsOwnEnd) {
    Bench b{"service web type=notify start-timeout=3s"};
    b.begin();
    b.advance(3s);
    EXPECT_EQ(b.machine.state(), State::stopping);
    EXPECT_EQ(b.machine.result(), Result::start_timeout);
    b.exits({.signal = 15});
    EXPECT_EQ(b.machine.state(), State::backoff);
}

TEST(UnitMachine, DeadlineDeliveredEarlyIsIgnored) {
    Bench b{"service web type=notify start-timeout=3s"};
    b.begin();
    b.now += 2s;
    b.actions.clear();
    b.machine.expire(b.turn());
    EXPECT_EQ(b.machine.state(), State::starting);
    EXPECT_TRUE(b.actions.empty());
}

TEST(UnitMachine, DecisionDuringTheEndOfACrashWins) {
    Bench b{"service web"};
    b.up();
    b.exits(crash, 1, false);
    ASSERT_EQ(b.machine.state(), State::stopping);
    b.decided = true;
    b.wanted = false;
    b.send(Emptied{UnitId{1}, RunId{1}});
    EXPECT_EQ(b.machine.state(), State::down);
    EXPECT_EQ(b.machine.failures(), 0U) << "decisions do not count";
}

TEST(UnitMachine, LossIsABackoffOfAtLeast100ms) {
    Bench b{"service web backoff=1ms/1/1ms/1min"};
    b.up();
    b.go(Going::loss);
    b.exits(ok);
    EXPECT_EQ(b.machine.state(), State::backoff);
    EXPECT_EQ(b.machine.next_deadline(), b.now + 100ms);
    EXPECT_EQ(b.machine.failures(), 1U) << "losses count";
}

TEST(UnitMachine, ForkingIsUpWhenItsMainProcessIsKnown) {
    Bench b{"service d type=forking"};
    b.begin();
    b.executed();
    EXPECT_EQ(b.machine.state(), State::starting);
    b.exits(ok, 1, false);
    EXPECT_TRUE(b.asked_for<FindMain>());
    b.send(MainFound{UnitId{1}, RunId{1}});
    EXPECT_EQ(b.machine.state(), State::up);
    b.send(MainExited{UnitId{1}, RunId{1}, crash, false, false});
    EXPECT_EQ(b.machine.state(), State::stopping) << "workers are left";
}

TEST(UnitMachine, MainFoundBeforeTheParentExitsMakesItUpWithThatExit) {
    Bench b{"service d type=forking"};
    b.begin();
    b.executed();
    b.send(MainFound{UnitId{1}, RunId{1}});
    EXPECT_EQ(b.machine.state(), State::starting);
    b.exits(ok, 1, false);
    EXPECT_EQ(b.machine.state(), State::up);
}

TEST(UnitMachine, AfterMainpidTheSpawnedProcessIsNobodySpecial) {
    Bench b{"service web type=notify"};
    b.begin();
    b.send(MainFound{UnitId{1}, RunId{1}});
    b.exits({.code = 1}, 1, false);  // it daemonised after all
    EXPECT_EQ(b.machine.state(), State::starting);
    b.notify({.ready = true});
    EXPECT_EQ(b.machine.state(), State::up);
    b.send(MainExited{UnitId{1}, RunId{1}, crash, false, true});
    EXPECT_EQ(b.machine.state(), State::backoff);
}

TEST(UnitMachine, WatchdogIsFedAndBites) {
    Bench b{"service web watchdog=2s restart=on-watchdog"};
    b.up();
    b.advance(1900ms);
    b.notify({.watchdog = true});
    b.advance(1900ms);
    EXPECT_EQ(b.machine.state(), State::up);
    b.advance(100ms);
    EXPECT_EQ(b.asked_for<SendSignal>()->signal, 6);
    b.exits({.signal = 6});
    EXPECT_EQ(b.machine.state(), State::backoff);
    EXPECT_EQ(b.machine.result(), Result::watchdog);
}

TEST(UnitMachine, ErrnoOfTheServiceIsPartOfTheDetail) {
    Bench b{"service web restart=no"};
    b.up();
    b.notify({.error = 13});
    b.exits({.code = 1});
    EXPECT_EQ(b.machine.detail(), "exit code 1: Permission denied");
}

TEST(UnitMachine, ReloadThatHangsIsKilledAndTheUnitStaysUp) {
    Bench b{"service web reload=1 start-timeout=3s"};
    b.up();
    b.actions.clear();
    b.machine.reload(b.turn());
    EXPECT_EQ(b.machine.state(), State::reloading);
    b.send(Spawned{b.ref(2)});
    b.advance(3s);
    EXPECT_EQ(b.asked_for<SendSignal>()->whom, Whom::control);
    b.exits({.signal = 9}, 2, false);
    EXPECT_EQ(b.machine.state(), State::up);
    EXPECT_TRUE(b.machine.reload_failed());
}

TEST(UnitMachine, ReloadWithoutADeadlineIsNotCutShort) {
    Bench b{"service web reload=1 start-timeout=infinity"};
    b.up();
    b.machine.reload(b.turn());
    b.actions.clear();
    b.send(Spawned{b.ref(2)});
    EXPECT_FALSE(b.asked_for<SendSignal>());
    b.exits(ok, 2, false);
    EXPECT_FALSE(b.machine.reload_failed());
}

TEST(UnitMachine, ReloadThatIsTooLateToStartIsKilledOnceItExists) {
    Bench b{"service web reload=1 start-timeout=3s"};
    b.up();
    b.machine.reload(b.turn());
    b.advance(3s);
    b.actions.clear();
    b.send(Spawned{b.ref(2)});
    EXPECT_EQ(b.asked_for<SendSignal>()->whom, Whom::control);
}

TEST(UnitMachine, ReloadAskedDuringAReloadRunsOnceMore) {
    Bench b{"service web reload=1"};
    b.up();
    b.machine.reload(b.turn());
    b.machine.reload(b.turn());
    b.exits(ok, 2, false);
    EXPECT_EQ(b.machine.state(), State::reloading);
    EXPECT_EQ(b.asked_for<Spawn>()->process.step, 3U);
    b.exits(ok, 3, false);
    EXPECT_EQ(b.machine.state(), State::up);
}

TEST(UnitMachine, RunTimeoutCountsFromUpThroughReloads) {
    Bench b{"service web reload=1 run-timeout=10s"};
    b.up();
    b.advance(9s);
    b.machine.reload(b.turn());
    b.exits(ok, 2, false);
    ASSERT_EQ(b.machine.state(), State::up);
    b.advance(1s);
    EXPECT_EQ(b.machine.state(), State::stopping);
    EXPECT_EQ(b.machine.result(), Result::run_timeout);
}

TEST(UnitMachine, StopDuringAReloadCutsItShortBeforeTheStopCommands) {
    Bench b{"service web reload=1 stop=1"};
    b.up();
    b.machine.reload(b.turn());
    b.go(Going::decision);
    EXPECT_EQ(b.asked_for<SendSignal>()->whom, Whom::control);
    EXPECT_FALSE(b.asked_for<Spawn>());
    b.exits({.signal = 9}, 2, false);
    ASSERT_TRUE(b.asked_for<Spawn>());
    EXPECT_EQ(b.asked_for<Spawn>()->phase, units::Phase::stop);
}

TEST(UnitMachine, TargetIsUpAtItsStartAndGoneAtOnce) {
    Bench b{"target t"};
    b.begin();
    EXPECT_EQ(b.machine.state(), State::up);
    EXPECT_FALSE(b.asked_for<BeginRun>());
    b.wanted = false;
    b.go(Going::decision);
    EXPECT_EQ(b.machine.state(), State::down);
}

bool has_process(State state) {
    return is_running(state);
}

// Whatever happens in whatever order, late and duplicate news included: a run ends once and only
// when nothing of it is left, nothing is signalled after that, and the machine knows where it is.
TEST(UnitMachine, RandomEventsNeverLoseARun) {
    const char* kinds[] = {"service w type=simple stop-post=1", "service w type=notify watchdog=1s",
                           "service w type=oneshot main=2 start-pre=1",
                           "service w type=forking start-post=1",
                           "service w kill-mode=mixed stop=2"};
    for (unsigned seed = 0; seed < 2000; ++seed) {
        SCOPED_TRACE(::testing::Message() << "seed " << seed);
        std::mt19937 random{seed};
        Bench b{std::string{kinds[seed % std::size(kinds)]} + " reload=1 restart=always"};
        std::set<std::uint32_t> alive;  // steps
        bool open = false;              // between BeginRun and EndRun
        for (int step = 0; step < 200; ++step) {
            const auto some =
                alive.empty()
                    ? 0U
                    : *std::next(alive.begin(), static_cast<long>(random() % alive.size()));
            const bool last = alive.size() <= 1;
            b.actions.clear();
            switch (random() % 12) {
                case 0: b.machine.begin(RunId{b.runs + 1}, "", b.turn()); break;
                case 1: b.machine.go(Going::decision, "", b.turn()); break;
                case 2: b.machine.go(Going::loss, "", b.turn()); break;
                case 3: b.executed(some); break;
                case 4:
                    if (some == 0) continue;
                    alive.erase(some);
                    b.exits(random() % 2 ? ok : crash, some, last);
                    break;
                case 5: b.exits(crash, some + 1000, true); break;  // nobody's
                case 6:
                    b.send(Exited{{UnitId{1}, RunId{b.runs + 7}, 1}, crash, false, true});
                    break;
                case 7: b.notify({.ready = true}); break;
                case 8: b.advance(Duration{random() % 12'000'000}); break;
                case 9: b.machine.reload(b.turn()); break;
                case 10:
                    if (some == 0) continue;
                    alive.erase(some);
                    b.send(SpawnFailed{b.ref(some), "exec", 2, last});
                    break;
                case 11: b.machine.come_down("", b.turn()); break;
            }
            for (const Action& action : b.actions) {
                if (const auto* begun = std::get_if<BeginRun>(&action)) {
                    ASSERT_FALSE(open) << "two runs at step " << step;
                    open = true;
                    b.runs = static_cast<std::uint64_t>(begun->run);
                }
                if (const auto* spawn = std::get_if<Spawn>(&action)) {
                    ASSERT_TRUE(open);
                    ASSERT_TRUE(alive.insert(spawn->process.step).second);
                    ASSERT_LE(alive.size(), 2U) << "main and one command";
                }
                if (const auto* end = std::get_if<EndRun>(&action)) {
                    ASSERT_TRUE(open);
                    ASSERT_TRUE(alive.empty()) << "processes are left at step " << step;
                    ASSERT_EQ(end->run, RunId{b.runs});
                    open = false;
                }
                if (const auto* signal = std::get_if<SendSignal>(&action)) {
                    ASSERT_EQ(signal->run, RunId{b.runs});
                    ASSERT_TRUE(open);
                }
            }
            ASSERT_EQ(open, has_process(b.machine.state())) << "step " << step;
        }
    }
}

}  // namespace
}  // namespace reeve::core
