#include "daemon/core/ending.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace reeve::core {
namespace {

using namespace std::chrono_literals;
using units::Restart;
using units::Type;

constexpr ExitStatus code(int number) {
    return {.code = number};
}
constexpr ExitStatus signal(int number) {
    return {.signal = number};
}

struct CleanRow {
    const char* name;
    Type type;
    ExitStatus status;
    bool clean;
};

// "Clean: exit 0; HUP, INT, TERM, PIPE except for oneshot; `success-exit-status`."
const CleanRow clean_rows[] = {
    {"exit 0", Type::simple, code(0), true},
    {"exit 1", Type::simple, code(1), false},
    {"in success-exit-status", Type::simple, code(42), true},
    {"HUP", Type::simple, signal(1), true},
    {"INT", Type::notify, signal(2), true},
    {"PIPE", Type::forking, signal(13), true},
    {"TERM", Type::idle, signal(15), true},
    {"QUIT", Type::simple, signal(3), false},
    {"KILL", Type::simple, signal(9), false},
    {"USR1 in success-exit-status", Type::simple, signal(10), true},
    {"oneshot: exit 0", Type::oneshot, code(0), true},
    {"oneshot: TERM", Type::oneshot, signal(15), false},
    {"oneshot: HUP", Type::oneshot, signal(1), false},
    {"oneshot: in success-exit-status", Type::oneshot, code(42), true},
    {"nobody knows", Type::simple, {.unknown = true}, false},
};

TEST(Ending, IsCleanAsWritten) {
    for (const CleanRow& row : clean_rows) {
        units::Service service;
        service.type = row.type;
        service.exits.edit().success = {{42}, {10}};
        EXPECT_EQ(is_clean(service, row.status), row.clean) << row.name;
    }
}

struct PolicyRow {
    Restart policy;
    // what follows: clean exit, unclean code, signal, time-out, watchdog
    After after[5];
};

constexpr After b = After::backoff;
constexpr After d = After::done;
constexpr After f = After::failed;

// The table of systemd.service(5), "Exit causes and the effect of the Restart= settings".
const PolicyRow policy_rows[] = {
    {Restart::no, {d, f, f, f, f}},          {Restart::always, {b, b, b, b, b}},
    {Restart::on_success, {b, f, f, f, f}},  {Restart::on_failure, {d, b, b, b, b}},
    {Restart::on_abnormal, {d, f, b, b, b}}, {Restart::on_abort, {d, f, b, f, f}},
    {Restart::on_watchdog, {d, f, f, f, b}},
};

TEST(Ending, RestartsAsThePolicySays) {
    const struct {
        Result result;
        bool clean;
        ExitStatus status;
    } causes[] = {{Result::success, true, code(0)},
                  {Result::exit_code, false, code(1)},
                  {Result::signal, false, signal(9)},
                  {Result::start_timeout, false, signal(15)},
                  {Result::watchdog, false, signal(6)}};
    for (const PolicyRow& row : policy_rows) {
        units::Service service;
        service.restart = row.policy;
        for (std::size_t i = 0; i < std::size(causes); ++i)
            EXPECT_EQ(after_own_end(service, causes[i].result, causes[i].clean, causes[i].status),
                      row.after[i])
                << to_string(row.policy) << " after " << to_string(causes[i].result);
    }
}

TEST(Ending, CoreDumpsAndOomKillsAreSignals) {
    units::Service service;
    service.restart = Restart::on_abort;
    EXPECT_EQ(after_own_end(service, Result::core_dump, false, signal(11)), After::backoff);
    EXPECT_EQ(after_own_end(service, Result::oom_kill, false, signal(9)), After::backoff);
    EXPECT_EQ(result_of(signal(9), true, false), Result::oom_kill);
    EXPECT_EQ(result_of({.signal = 11, .core_dumped = true}, false, false), Result::core_dump);
    EXPECT_EQ(result_of(code(0), false, true), Result::success);
}

// "`restart` (`restart-prevent/force-exit-status` first)"
TEST(Ending, PreventAndForceComeBeforeThePolicy) {
    units::Service service;
    service.restart = Restart::always;
    service.exits.edit().restart_prevent = {{7}, {}};
    service.exits.edit().restart_force = {{7, 8}, {15}};
    EXPECT_EQ(after_own_end(service, Result::exit_code, false, code(7)), After::failed);
    service.restart = Restart::no;
    EXPECT_EQ(after_own_end(service, Result::exit_code, false, code(8)), After::backoff);
    EXPECT_EQ(after_own_end(service, Result::success, true, signal(15)), After::backoff);
    EXPECT_EQ(after_own_end(service, Result::success, true, code(0)), After::done);
}

// "After the n-th end in a row the delay is min(first × factor^(n−1), max)": 100 ms, 2, 30 s.
TEST(Ending, DelayGrowsToItsBound) {
    const units::Backoff defaults;
    EXPECT_EQ(backoff_delay(defaults, 1), 100ms);
    EXPECT_EQ(backoff_delay(defaults, 2), 200ms);
    EXPECT_EQ(backoff_delay(defaults, 9), 25'600ms);
    EXPECT_EQ(backoff_delay(defaults, 10), 30s);
    EXPECT_EQ(backoff_delay(defaults, 4'000'000'000U), 30s) << "factor^n beyond any number";
    Duration before{};
    for (std::uint32_t n = 1; n < 3000; ++n) {
        const Duration delay = backoff_delay({7ms, 1.5, 1h, 1min}, n);
        ASSERT_GE(delay, before) << n;
        before = delay;
    }
    EXPECT_EQ(backoff_delay({0ms, 2, 30s, 1min}, 2000), 0ms);
    EXPECT_EQ(backoff_delay({5s, 2, 1s, 1min}, 1), 1s) << "max is less than first";
    EXPECT_EQ(backoff_delay({1s, 1, units::infinity, 1min}, 100), 1s);
}

}  // namespace
}  // namespace reeve::core
