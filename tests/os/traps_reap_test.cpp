// Traps of the field about the ends of processes; the numbers are those of docs/traps.md.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>

#include "tests/os/support/containment_bench.hpp"

namespace reeve::os {
namespace {

using namespace std::chrono_literals;
using testing::ChildrenBench;
using testing::ContainmentBench;
using testing::holding_names;
using testing::scale;
using testing::TestRun;

// vfork copies nothing: thousands in a second. Apart, so that no variable lives across it.
[[gnu::noinline]] void leave_zombie() {
    if (::vfork() == 0) ::_exit(0);
}

// Makes `count` zombies that pass to us all at once, when their parent ends.
[[noreturn]] void leave_zombies(int count) {
    for (int i = 0; i < count; ++i) leave_zombie();
    ::_exit(0);
}

// SIGCHLD coalesces, and reaping thousands at once keeps the loop from all else. The limit is
// ten times that of the design: the machine may be busy.
TEST(Trap02, ThousandsOfZombiesAreReapedWhileTheTimerTicks) {
    const int zombies = scale(2'000, 20'000);
    ChildrenBench b;
    const pid_t parent = ::fork();
    if (parent == 0) leave_zombies(zombies);

    auto due = Loop::now() + 5ms;
    core::Duration worst{0};
    const auto deadline = Loop::now() + 100s;
    b.loop.set_timer_handler([&] {
        worst = std::max(worst, Loop::now() - due);
        due = Loop::now() + 5ms;
        b.loop.arm(due);
        const auto all = static_cast<std::uint64_t>(zombies) + 1;
        if (b.children.stats().reaped >= all || due > deadline) b.loop.exit(0);
    });
    b.loop.arm(due);
    b.loop.run();

    EXPECT_EQ(b.children.stats().orphans, static_cast<std::uint64_t>(zombies) + 1);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie is left";
    EXPECT_LT(worst, 500ms);
    RecordProperty("worst_tick_us", static_cast<int>(worst.count()));
    printf("%d zombies: worst tick %lld us late, worst dispatch %lld us (%s)\n", zombies,
           static_cast<long long>(worst.count()),
           static_cast<long long>(b.loop.stats().worst_dispatch.count()),
           b.loop.stats().worst_what);
}

// Runs in a PID namespace of 400 numbers, as its init. 0: no foreign process was signalled.
int churn_in_small_pid_space(std::chrono::seconds time) {
    std::ofstream{"/proc/sys/kernel/pid_max"} << "400" << std::flush;
    ChildrenBench b;
    int foreign = 0, reused = 0, sent = 0;
    std::map<core::ProcessRef, bool> is_target;
    std::map<pid_t, core::ProcessRef> last_owner;
    std::vector<core::ProcessRef> targets, bystanders;
    b.on_news = [&](const ChildNews& news) {
        if (const auto* started = std::get_if<Started>(&news)) {
            const pid_t pid = b.children.pid_of(started->process);
            if (pid == 0) return;  // has ended already
            const auto [owner, fresh] = last_owner.try_emplace(pid, started->process);
            if (!fresh && is_target[owner->second] && !is_target[started->process]) ++reused;
            owner->second = started->process;
        }
        const auto* ended = std::get_if<Ended>(&news);
        if (ended == nullptr || is_target[ended->process]) return;
        if (ended->status.signal == SIGUSR1) ++foreign;
        std::erase(bystanders, ended->process);
    };
    const auto until = Loop::now() + time;
    std::mt19937 random{7};
    while (Loop::now() < until) {
        // Targets live for no time at all; bystanders a little longer, under their numbers.
        targets.push_back(b.start({"/bin/true"}));
        is_target[targets.back()] = true;
        if (bystanders.size() < 40) {
            bystanders.push_back(b.start({"/bin/sleep", "0.1"}));
            is_target[bystanders.back()] = false;
        }
        for (int i = 0; i < 8; ++i) {
            const auto recent = std::min<std::size_t>(targets.size(), 500);
            b.children.signal(targets[targets.size() - 1 - random() % recent], SIGUSR1);
            ++sent;
        }
        sd_event_run(b.loop.get(), 1'000);
        b.told.clear();
    }
    ::dprintf(2, "%zu targets, %d signals, %d numbers passed to a bystander, %d foreign\n",
              targets.size(), sent, reused, foreign);
    if (reused == 0) return 2;  // nothing was tested
    return foreign == 0 ? 0 : 1;
}

// A number is given to another process between the end of ours and our signal.
TEST(Trap03, NoSignalReachesAProcessThatInheritedANumber) {
    const pid_t outer = ::fork();
    if (outer == 0) {
        if (::unshare(CLONE_NEWPID | CLONE_NEWNS) == -1) ::_exit(77);
        const pid_t inner = ::fork();
        if (inner == 0) {
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
            ::mount("proc", "/proc", "proc", 0, nullptr);
            ::_exit(churn_in_small_pid_space(std::chrono::seconds{scale(3, 3'600)}));
        }
        int status = 0;
        ::waitpid(inner, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(outer, &status, 0), outer);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not make a PID namespace";
    if (WEXITSTATUS(status) == 2) {
        GTEST_SKIP() << "no number was reused: the kernel has no pid_max per namespace (6.14)";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Processes that leave their session while they are killed.
class Trap05Bench : public ContainmentBench {
protected:
    using ContainmentBench::ContainmentBench;

    // From kill_all() to the news that the run is empty.
    std::chrono::milliseconds time_to_kill(const TestRun& run) {
        const auto begin = Loop::now();
        containment.watch_empty(run.unit, run.id);
        containment.kill_all(run.unit, run.id);
        EXPECT_TRUE(turn([&] { return !emptied.empty(); }));
        EXPECT_TRUE(containment.members(run.unit, run.id).empty());
        return std::chrono::duration_cast<std::chrono::milliseconds>(Loop::now() - begin);
    }
};

// Without cgroups nobody can hold a bomb.
class Trap05 : public Trap05Bench {
protected:
    Trap05() : Trap05Bench{true} {}
};

TEST_F(Trap05, ForkBombThatLeavesItsSessionIsGoneSoon) {
    const std::string bomb = scratch("bomb.sh");
    std::ofstream{bomb} << "setsid sh " << bomb << " &\nsetsid sh " << bomb << " &\nsleep 60\n";
    const TestRun run = enter("bomb");
    start(run, "exec sh " + bomb);
    ASSERT_TRUE(turn([&] { return containment.members(run.unit, run.id).size() > 100; }));
    const auto took = time_to_kill(run);
    EXPECT_LE(took, 1s);  // ten times the limit of the design
    printf("more than 100 processes: gone after %lld ms\n", static_cast<long long>(took.count()));
}

// Each is replaced by another in a new session all the time, so that a list is old when read.
class Trap05Hopping : public Trap05Bench, public ::testing::WithParamInterface<bool> {
protected:
    Trap05Hopping() : Trap05Bench{GetParam()} {}
};
INSTANTIATE_TEST_SUITE_P(Ways, Trap05Hopping, ::testing::Values(true, false), holding_names);

TEST_P(Trap05Hopping, HoppingProcessesAreGoneSoon) {
    const std::string hop = scratch("hop.sh");
    std::ofstream{hop} << "setsid sh " << hop << " &\nexit 0\n";
    const TestRun run = enter("hop");
    const auto first = start(run, "for i in 1 2 3 4 5; do sh " + hop + " & done; exit 0");
    ASSERT_TRUE(turn([&] { return find<Ended>(first) && count<OrphanReaped>() > 50; }));
    const auto took = time_to_kill(run);
    printf("gone after %lld ms\n", static_cast<long long>(took.count()));
}

}  // namespace
}  // namespace reeve::os
