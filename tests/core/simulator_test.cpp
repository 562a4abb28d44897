// Millions of random events against the core. A failure names its seed: with REEVE_SEED set, that
// one episode runs again, event by event the same; REEVE_TRANSCRIPT=1 prints all of it.
#include "tests/core/support/simulator.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <memory>

namespace reeve::sim {
namespace {

constexpr std::uint64_t shards = 8;  // enough that two cores end together

std::uint64_t events_per_shard() {
    return (std::getenv("REEVE_LONG") ? 100'000'000U : 2'000'000U) / shards;
}

std::string replay(std::uint64_t seed, int shard) {
    return "seed " + std::to_string(seed) + "; replay: REEVE_SEED=" + std::to_string(seed) +
           " core_test --gtest_filter='*Simulator.KeepsEveryPromise/" + std::to_string(shard) +
           "'\n";
}

class Simulator : public testing::TestWithParam<int> {};

TEST_P(Simulator, KeepsEveryPromise) {
    if (const char* seed = std::getenv("REEVE_SEED")) {
        const auto value = std::strtoull(seed, nullptr, 10);
        const auto outcome =
            run_episode(value, {.transcript = std::getenv("REEVE_TRANSCRIPT") != nullptr});
        EXPECT_FALSE(outcome.failure) << replay(value, GetParam()) << *outcome.failure;
        return;
    }
    Outcome total;
    const auto wanted = events_per_shard();
    const auto line = wanted / 20;
    std::uint64_t episodes = 0;
    for (std::uint64_t seed = static_cast<std::uint64_t>(GetParam()) + 1; total.events < wanted;
         seed += shards, ++episodes) {
        const auto outcome = run_episode(seed);
        ASSERT_FALSE(outcome.failure) << replay(seed, GetParam()) << *outcome.failure;
        if (std::getenv("REEVE_LONG") &&
            total.events / line != (total.events + outcome.events) / line) {
            std::cerr << "shard " << GetParam() << ": " << (total.events + outcome.events) << " of "
                      << wanted << " events\n";
        }
        total.events += outcome.events;
        total.actions += outcome.actions;
        total.starts += outcome.starts;
        total.sweeps += outcome.sweeps;
        total.reloads += outcome.reloads;
        total.successions += outcome.successions;
    }
    std::cout << episodes << " episodes, " << total.events << " events, " << total.actions
              << " actions, " << total.starts << " starts, " << total.sweeps
              << " looks at all units, " << total.reloads << " times saved and loaded, "
              << total.successions << " times taken over\n";
    // A world in which little happens proves little.
    EXPECT_GT(total.actions, total.events / 2);
    EXPECT_GT(total.starts, total.events / 100);
    EXPECT_GT(total.reloads, total.events / 1'000);
    EXPECT_GT(total.successions, total.events / 5'000);
}

INSTANTIATE_TEST_SUITE_P(Shard, Simulator, testing::Range(0, static_cast<int>(shards)));

TEST(SimulatorItself, SameSeedSameActions) {
    const std::uint64_t episodes = std::getenv("REEVE_LONG") ? 20'000 : 200;
    for (std::uint64_t seed = 1'000'000; seed < 1'000'000 + episodes; ++seed) {
        const auto first = run_episode(seed, {.hash = true});
        // Other addresses for the second time, so that nothing can hang on them.
        std::vector<std::unique_ptr<char[]>> shift;
        for (std::size_t i = 0; i < 64; ++i)
            shift.push_back(std::make_unique<char[]>(17 * (i + 1)));
        const auto second = run_episode(seed, {.hash = true});
        ASSERT_FALSE(first.failure) << replay(seed, 0) << *first.failure;
        ASSERT_EQ(first.hash, second.hash) << "seed " << seed;
        ASSERT_EQ(first.events, second.events) << "seed " << seed;
    }
}

}  // namespace
}  // namespace reeve::sim
