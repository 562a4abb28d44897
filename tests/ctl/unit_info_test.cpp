#include "ctl/unit_info.hpp"

#include <gtest/gtest.h>

#include "ctl/ending.hpp"
#include "ctl/failure.hpp"

using namespace reeve::ctl;

namespace {

constexpr std::uint64_t second = 1'000'000;
const Now now{1'000 * second, 5'000 * second, false};

Value unit(const char* state) {
    return Value{}.set("Name", "web").set("State", state);
}

Ending ending(const char* state, int code, int signal, const char* result) {
    return {"web", state, 3, code, signal, result};
}

}  // namespace

TEST(Summary, OfAFailureIsItsReason) {
    EXPECT_EQ(summary(unit("failed").set("Result", "exit-code").set("Detail", "exit code 3"), now),
              "exit code 3");
    EXPECT_EQ(summary(unit("failed").set("Result", "watchdog").set("Detail", ""), now), "watchdog");
}

TEST(Summary, OfTheWaitingSaysForWhatAndHowLong) {
    EXPECT_EQ(summary(unit("waiting")
                          .set("WaitsFor", "gate event:calibrated")
                          .set("WaitsSince", 988 * second),
                      now),
              "waits for 12 s for gate event:calibrated");
}

TEST(Summary, TellsEachReasonAsASentenceDoes) {
    const auto waits_for = [](const char* what) {
        return summary(unit("waiting").set("WaitsFor", what), now);
    };
    EXPECT_EQ(waits_for("after g"), "waits for g, which it is ordered after");
    EXPECT_EQ(waits_for("hindered user nosuch: unknown"), "waits for user nosuch, who is unknown");
    EXPECT_EQ(waits_for("requires db, gate any of a, b, lease radio"),
              "waits for db, which it requires; gate any of a, b; the lease of radio");
}

TEST(Reason, OfAnUnknownKindIsToldAsItCame) {
    EXPECT_EQ(reason_text("wanted", "by nobody"), "wanted by nobody");
    EXPECT_EQ(reason_text("starting", ""), "starting");
}

TEST(Summary, OfBackoffSaysWhenItStarts) {
    EXPECT_EQ(
        summary(unit("backoff").set("Detail", "signal 9").set("NextStart", 1'030 * second), now),
        "starts in 30 s; ended: signal 9");
}

TEST(Summary, OfTheRestIsWhatItSaysOrIs) {
    EXPECT_EQ(summary(unit("up").set("Status", "").set("Description", "网页"), now), "网页");
    EXPECT_EQ(summary(unit("up").set("Status", "12 clients").set("Description", "x"), now),
              "12 clients");
    EXPECT_EQ(summary(unit("waiting").set("Masked", true), now), "masked");
    EXPECT_EQ(summary(unit("down").set("Problems", Value::strings({"x.toml:1:1: no"})), now),
              "x.toml:1:1: no");
}

TEST(Now, TellsTimesOfAnotherMachineByItsWallClock) {
    const Now far{1'000 * second, 5'000 * second, true};
    // That machine booted long ago: its monotonic clock is far ahead of ours.
    const Value there =
        unit("up").set("Since", 90'000 * second).set("SinceRealtime", 4'940 * second);
    EXPECT_EQ(far.since(90'000 * second, there), std::chrono::seconds{60});
    EXPECT_EQ(far.until(90'070 * second, there), std::chrono::seconds{10});
    EXPECT_EQ(now.since(990 * second, there), std::chrono::seconds{10});
    EXPECT_EQ(now.since(2'000 * second, there), Duration{0});
}

TEST(Exitcode, IsToldAsMultiprocessingDoes) {
    EXPECT_EQ(exitcode("signal", 0, 9).integer(), -9);
    EXPECT_EQ(exitcode("exit-code", 3, 0).integer(), 3);
    EXPECT_TRUE(exitcode("none", 0, 0).is_null());
}

TEST(Ending, BecomesTheExitCodeOfWait) {
    EXPECT_EQ(exit_code_of(ending("done", 0, 0, "success")), 0);
    EXPECT_EQ(exit_code_of(ending("failed", 3, 0, "exit-code")), 3);
    EXPECT_EQ(exit_code_of(ending("failed", 0, 9, "signal")), 137);
    EXPECT_EQ(exit_code_of(ending("down", 0, 15, "success")), 143);
    EXPECT_EQ(exit_code_of(ending("failed", 0, 0, "spawn-failed")), code::failed);
    EXPECT_EQ(exit_code_of(ending("failed", 0, 0, "wait-timeout")), code::no_lease);
    EXPECT_EQ(exit_code_of(ending("down", 0, 0, "none")), 0);
}

TEST(Ending, IsToldWithItsExitCode) {
    EXPECT_EQ(to_text(ending("failed", 0, 9, "signal")), "failed, exit code -9 (signal KILL)");
    EXPECT_EQ(to_text(ending("done", 0, 0, "success")), "done, exit code 0");
    EXPECT_EQ(to_text(ending("down", 0, 0, "none")), "down, has not run");
    EXPECT_EQ(to_text(ending("failed", 0, 0, "spawn-failed")), "failed, spawn-failed");
}
