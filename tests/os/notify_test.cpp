#include <gtest/gtest.h>

#include "daemon/os/notify_socket.hpp"

namespace reeve::os {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

TEST(ParseNotify, KnowsEveryKeyItActsUpon) {
    const auto m = parse_notify(
        "READY=1\nRELOADING=1\nSTOPPING=1\nSTATUS=three of four\nERRNO=5\nMAINPID=42\nWATCHDOG=1\n"
        "WATCHDOG_USEC=2000000\nEXTEND_TIMEOUT_USEC=5000000\nBARRIER=1");
    EXPECT_TRUE(m.ready);
    EXPECT_TRUE(m.reloading);
    EXPECT_TRUE(m.stopping);
    EXPECT_TRUE(m.watchdog);
    EXPECT_FALSE(m.watchdog_trigger);
    EXPECT_TRUE(m.barrier);
    EXPECT_EQ(m.status, "three of four");
    EXPECT_EQ(m.error, 5);
    EXPECT_EQ(m.main_pid, 42);
    EXPECT_EQ(m.watchdog_period, 2s);
    EXPECT_EQ(m.extend, 5s);
}

TEST(ParseNotify, SaysNothingAboutWhatWasNotSent) {
    const auto m = parse_notify("FDSTORE=1\nFDNAME=keep\nX_MINE=1\nMONOTONIC_USEC=17");
    EXPECT_FALSE(m.ready || m.reloading || m.stopping || m.watchdog || m.watchdog_trigger ||
                 m.barrier);
    EXPECT_FALSE(m.status || m.main_pid || m.error || m.extend || m.watchdog_period);
}

TEST(ParseNotify, TellsTriggerFromAlive) {
    EXPECT_TRUE(parse_notify("WATCHDOG=trigger").watchdog_trigger);
    EXPECT_FALSE(parse_notify("WATCHDOG=trigger").watchdog);
}

TEST(ParseNotify, SkipsMalformedLinesAndKeepsTheRest) {
    const auto m = parse_notify(
        "READY\nREADY=2\nMAINPID=-1\nMAINPID=0\nMAINPID=1x\nERRNO=-3\n"
        "EXTEND_TIMEOUT_USEC=\n\n=\nSTATUS=a\0b\nSTOPPING=1"sv);
    EXPECT_FALSE(m.ready);
    EXPECT_FALSE(m.main_pid || m.error || m.extend || m.status);
    EXPECT_TRUE(m.stopping);
}

TEST(ParseNotify, TakesTheFirstOfAKeyGivenTwice) {
    EXPECT_EQ(parse_notify("STATUS=a\nSTATUS=b").status, "a");
    EXPECT_EQ(parse_notify("MAINPID=7\nMAINPID=8").main_pid, 7);
}

TEST(ParseNotify, AcceptsATrailingNul) {
    EXPECT_TRUE(parse_notify("READY=1\0"sv).ready);
}

TEST(ParseNotify, BoundsTimesSoThatSumsCannotOverflow) {
    const auto m = parse_notify("EXTEND_TIMEOUT_USEC=18446744073709551615\nWATCHDOG_USEC=0");
    EXPECT_EQ(m.extend, std::chrono::hours{24 * 365 * 100});
    EXPECT_EQ(m.watchdog_period, 0us);
}

TEST(ParseNotify, MakesTheStatusValidUtf8) {
    struct Case {
        std::string_view sent, expected;
    };
    const Case cases[] = {
        {"设备就绪", "设备就绪"},
        {"\xF0\x9F\x9A\x80 go", "\xF0\x9F\x9A\x80 go"},
        {"a\xFF"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                  // overlong
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // surrogate
        {"cut \xE8\xAE", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (const Case& c : cases)
        EXPECT_EQ(parse_notify("STATUS=" + std::string{c.sent}).status, c.expected) << c.sent;
}

}  // namespace
}  // namespace reeve::os
