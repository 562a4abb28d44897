#include "daemon/os/loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {
namespace {

using namespace std::chrono_literals;

posix::Fd ready_eventfd() {
    return posix::Fd{posix::check(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")};
}

TEST(Loop, TimerComesOnceAndNotBeforeItsTime) {
    Loop loop;
    const auto at = Loop::now() + 5ms;
    int calls = 0;
    loop.set_timer_handler([&] {
        EXPECT_GE(Loop::now(), at);
        if (++calls == 1) loop.arm(Loop::now() + 3ms);
        if (calls == 2) loop.exit(7);
    });
    loop.arm(at);
    EXPECT_EQ(loop.run(), 7);
    EXPECT_EQ(calls, 2);
    EXPECT_GE(loop.stats().wakeups, 2U);
}

// Whoever watches over us would take a load without a pause for a hang.
TEST(Loop, WorkWithoutEndIsToldAgainAndAgain) {
    Loop loop;
    const posix::Fd always = ready_eventfd();
    const auto deadline = Loop::now() + 20s;
    int told = 0;  // since the last sleep
    loop.set_work_hooks([&] { ++told; }, [&] { told = 0; });
    loop.set_timer_handler([&] { loop.arm(Loop::now()); });
    loop.watch(always.get(), EPOLLIN, [&](std::uint32_t) {
        if (told >= 3 || Loop::now() > deadline) loop.exit(told);
    });
    loop.arm(Loop::now());
    EXPECT_GE(loop.run(), 3);
}

TEST(Loop, WhatIsRefusedIsAskedForAgainUntilItIsHad) {
    Loop loop;
    int asked = 0;
    loop.try_again([&] {
        if (++asked == 2) throw std::system_error{EMFILE, std::generic_category(), "open"};
        if (asked == 3) loop.try_again([] { return true; });  // one more, from within
        if (asked < 4) return false;
        loop.exit(0);
        return true;
    });
    const auto begin = Loop::now();
    EXPECT_EQ(loop.run(), 0);
    EXPECT_EQ(asked, 4);
    EXPECT_GE(Loop::now() - begin, 50ms + 100ms + 200ms + 400ms);
}

TEST(Loop, DisarmedTimerDoesNotCome) {
    Loop loop;
    int early = 0;
    loop.set_timer_handler([&] { ++early; });
    loop.arm(Loop::now() + 1ms);
    loop.arm(std::nullopt);
    loop.post([&] {
        loop.set_timer_handler([&] { loop.exit(0); });
        loop.arm(Loop::now() + 10ms);
    });
    loop.run();
    EXPECT_EQ(early, 0);
}

TEST(Loop, SignalReachesItsHandler) {
    Loop loop;
    loop.on_signal(SIGUSR2, [&] { loop.exit(3); });
    ::raise(SIGUSR2);
    EXPECT_EQ(loop.run(), 3);
}

TEST(Loop, HandlerMayUnwatchEveryDescriptorOfTheBatchAndItself) {
    Loop loop;
    std::array<posix::Fd, 5> fds;
    int calls = 0;
    for (auto& fd : fds) {
        fd = ready_eventfd();
        loop.watch(fd.get(), EPOLLIN, [&](std::uint32_t) {
            ++calls;
            for (const auto& each : fds) loop.unwatch(each.get());
            loop.defer([&] { loop.exit(0); });
        });
    }
    loop.run();
    EXPECT_EQ(calls, 1);
}

// The number of a closed descriptor is given out again at once. An event of the old one that is
// in the same batch must not reach the handler of the new one.
TEST(Loop, ReusedDescriptorGetsNoEventOfItsPredecessor) {
    Loop loop;
    posix::Fd first = ready_eventfd();
    posix::Fd second = ready_eventfd();
    int foreign = 0;
    bool swapped = false;
    const auto replace = [&](posix::Fd& other) {
        if (swapped) return;
        swapped = true;
        const int number = other.get();
        loop.unwatch(number);
        other = posix::Fd{};
        other = posix::Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};  // never readable
        ASSERT_EQ(other.get(), number);
        loop.watch(number, EPOLLIN, [&](std::uint32_t) { ++foreign; });
        loop.set_timer_handler([&] { loop.exit(0); });
        loop.arm(Loop::now() + 5ms);
    };
    loop.watch(first.get(), EPOLLIN, [&](std::uint32_t) { replace(second); });
    loop.watch(second.get(), EPOLLIN, [&](std::uint32_t) { replace(first); });
    loop.run();
    EXPECT_TRUE(swapped);
    EXPECT_EQ(foreign, 0);
}

TEST(Loop, TasksOfOtherThreadsRunOnTheLoopInOrder) {
    Loop loop;
    std::vector<int> seen;
    const auto here = std::this_thread::get_id();
    std::thread other{[&] {
        for (int i = 0; i < 1'000; ++i) {
            loop.post([&, i] {
                EXPECT_EQ(std::this_thread::get_id(), here);
                seen.push_back(i);
                if (i == 999) loop.exit(0);
            });
        }
    }};
    loop.run();
    other.join();
    ASSERT_EQ(seen.size(), 1'000U);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Loop, WorkThatMakesWorkDoesNotStarveDescriptors) {
    Loop loop;
    const posix::Fd fd = ready_eventfd();
    int turns = 0;
    std::function<void()> again = [&] {
        ++turns;
        loop.defer(again);
    };
    loop.defer(again);
    loop.watch(fd.get(), EPOLLIN, [&](std::uint32_t) { loop.exit(0); });
    loop.run();
    EXPECT_LT(turns, 1'000);
}

TEST(Loop, ThrowingHandlerDoesNotEndTheLoop) {
    Loop loop;
    loop.defer([] { throw std::runtime_error{"a handler's trouble"}; });
    loop.defer([&] { loop.exit(0); });
    EXPECT_EQ(loop.run(), 0);
}

TEST(Loop, NamesTheWorstDispatch) {
    Loop loop;
    const posix::Fd fd = ready_eventfd();
    loop.watch(
        fd.get(), EPOLLIN,
        [&](std::uint32_t) {
            const auto until = Loop::now() + 3ms;
            while (Loop::now() < until) {
            }
            loop.exit(0);
        },
        "slow one");
    loop.run();
    EXPECT_GE(loop.stats().worst_dispatch, 3ms);
    EXPECT_TRUE(std::string_view{loop.stats().worst_what} == "slow one" ||
                std::string_view{loop.stats().worst_what} == "descriptors");
}

}  // namespace
}  // namespace reeve::os
