// Children on a loop, and all the news they told.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "daemon/os/children.hpp"

namespace reeve::os::testing {

// 1 in CI; `full` with REEVE_LONG=1.
inline int scale(int small, int full) {
    return std::getenv("REEVE_LONG") != nullptr ? full : small;
}

// Turns the loop until `done` or 10 s have gone; false: they have.
template <class Done>
bool turn_until(Loop& loop, Done&& done,
                std::chrono::milliseconds limit = std::chrono::seconds{10}) {
    const auto deadline = Loop::now() + limit;
    while (!done()) {
        if (Loop::now() >= deadline) return false;
        sd_event_run(loop.get(), 10'000);
    }
    return true;
}

// What an earlier test of this process left behind is not to be told as news.
inline void reap_leftovers() {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
}

struct ChildrenBench {
    ChildrenBench() { reap_leftovers(); }

    Loop loop;
    std::vector<ChildNews> told;
    std::function<void(const ChildNews&)> on_news = [](const ChildNews&) {};
    Children children{loop, [this](const ChildNews& news) {
                          told.push_back(news);
                          on_news(news);
                      }};
    std::uint32_t last = 0;

    core::ProcessRef start(SpawnPlan plan) {
        const core::ProcessRef process{core::UnitId{++last}, core::RunId{last}, 0};
        children.start(process, std::move(plan));
        return process;
    }
    core::ProcessRef start(std::vector<std::string> argv) {
        SpawnPlan plan;
        plan.argv = std::move(argv);
        plan.env = {"PATH=/usr/bin:/bin"};
        return start(std::move(plan));
    }
    core::ProcessRef shell(const std::string& script) { return start({"/bin/sh", "-c", script}); }

    template <class News>
    const News* find(core::ProcessRef process) const {
        for (const auto& each : told) {
            const auto* news = std::get_if<News>(&each);
            if (news != nullptr && news->process == process) return news;
        }
        return nullptr;
    }
    template <class News>
    const News* wait(core::ProcessRef process) {
        const News* news = nullptr;
        EXPECT_TRUE(turn_until(loop, [&] { return (news = find<News>(process)) != nullptr; }));
        return news;
    }
    template <class News>
    int count() const {
        return static_cast<int>(std::count_if(told.begin(), told.end(), [](const auto& news) {
            return std::holds_alternative<News>(news);
        }));
    }
    template <class Done>
    bool turn(Done&& done, std::chrono::milliseconds limit = std::chrono::seconds{10}) {
        return turn_until(loop, std::forward<Done>(done), limit);
    }
};

}  // namespace reeve::os::testing
