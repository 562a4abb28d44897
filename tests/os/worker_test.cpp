#include "daemon/os/worker.hpp"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace reeve::os {
namespace {

TEST(Worker, RunsJobsInOrderAndTellsOnTheLoop) {
    Loop loop;
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

// Exits with 1 after a deadline, so that a job which is never done shows as a failure.
void run_with_deadline(Loop& loop) {
    loop.set_timer_handler([&] { loop.exit(1); });
    loop.arm(Loop::now() + std::chrono::seconds{30});
    EXPECT_EQ(loop.run(), 0) << "a job was never done";
}

TEST(Worker, AJobThatHangsDoesNotHoldUpTheRest) {
    Loop loop;
    Worker worker{loop};
    std::promise<void> never;
    auto hang = never.get_future().share();
    worker.submit([hang] { hang.wait(); }, [] {});
    worker.submit([] {}, [&] { loop.exit(0); });  // nothing else comes that would wake it
    run_with_deadline(loop);
    never.set_value();
}

TEST(Worker, JobsOfOneChainWaitForEachOtherThoughAnotherThreadIsThere) {
    Loop loop;
    Worker worker{loop};
    std::promise<void> release;
    auto slow = release.get_future().share();
    std::vector<int> done;
    const auto chain = Worker::Chain::first_unit;
    worker.submit([slow] { slow.wait(); }, [&] { done.push_back(1); }, chain);
    worker.submit([] {},
                  [&] {
                      done.push_back(2);
                      loop.exit(0);
                  },
                  chain);
    worker.submit([] {},
                  [&] {
                      done.push_back(3);
                      release.set_value();
                  });
    run_with_deadline(loop);
    EXPECT_EQ(done, (std::vector<int>{3, 1, 2}));
}

}  // namespace
}  // namespace reeve::os
