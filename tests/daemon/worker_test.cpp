#include "daemon/worker.hpp"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace reeve {
namespace {

TEST(Worker, RunsJobsInOrderAndTellsOnTheLoop) {
    os::Loop loop;
    Worker worker{loop};
    std::vector<int> done;
    for (int i = 0; i < 5; ++i)
        worker.submit([] {},
                      [&, i] {
                          done.push_back(i);
                          if (i == 4) loop.exit(0);
                      });
    loop.run();
    EXPECT_EQ(done, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Worker, AJobThatHangsDoesNotHoldUpTheRest) {
    os::Loop loop;
    Worker worker{loop};
    std::promise<void> never;
    auto hang = never.get_future().share();
    worker.submit([hang] { hang.wait(); }, [] {});
    // Submitted again until the first job counts as stuck and another thread takes over.
    std::function<void()> again = [&] {
        worker.submit([] {}, [&] { loop.exit(0); });
        loop.arm(os::Loop::now() + std::chrono::milliseconds{100});
    };
    loop.set_timer_handler(again);
    again();
    EXPECT_EQ(loop.run(), 0);
    never.set_value();
}

}  // namespace
}  // namespace reeve
