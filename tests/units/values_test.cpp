#include "units/values.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "units/names.hpp"

namespace reeve::units {
namespace {

using namespace std::chrono_literals;

TEST(Durations, AreSumsOfNumbersWithUnits) {
    EXPECT_EQ(parse_duration("100ms"), 100ms);
    EXPECT_EQ(parse_duration("5s"), 5s);
    EXPECT_EQ(parse_duration("1min"), 1min);
    EXPECT_EQ(parse_duration("2h"), 2h);
    EXPECT_EQ(parse_duration("1d"), 24h);
    EXPECT_EQ(parse_duration("1w"), 168h);
    EXPECT_EQ(parse_duration("7us"), 7us);
    EXPECT_EQ(parse_duration("1min 30s"), 90s);
    EXPECT_EQ(parse_duration("1min30s"), 90s);
    EXPECT_EQ(parse_duration(" 2 h  5 sec "), 2h + 5s);
    EXPECT_EQ(parse_duration("1.5h"), 90min);
    EXPECT_EQ(parse_duration("0.000001s"), 1us);
    EXPECT_EQ(parse_duration("0s"), 0s);
    EXPECT_EQ(parse_duration("infinity"), infinity);
}

TEST(Durations, OfOtherFormsAreNone) {
    for (const std::string_view text :
         {"", " ", "5", "s", "5 parsecs", "5S", "-5s", "+5s", "1.s", "1.0000001s", "5s,", "1e3s",
          "infinity 5s", "9223372036854775807us", "999999999w", "99999999999999999999s",
          "9223372036854775000us 1d"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Durations, AreShownAsTheyCouldBeWritten) {
    for (const std::string_view text :
         {"1min 30s", "100ms", "1d 2h 3min 4s 5ms 6us", "0s", "infinity"})
        EXPECT_EQ(to_string(*parse_duration(text)), text);
}

TEST(Sizes, HaveAUnit) {
    EXPECT_EQ(parse_size("64KiB"), 65'536U);
    EXPECT_EQ(parse_size("1 MiB"), 1U << 20U);
    EXPECT_EQ(parse_size("5B"), 5U);
    EXPECT_EQ(parse_size("2kB"), 2000U);
    for (const std::string_view text : {"", "64", "KiB", "1.5MiB", "-1B", "64K", "99999999TiB"})
        EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Signals, AreNamedWithOrWithoutSig) {
    EXPECT_EQ(parse_signal("TERM"), SIGTERM);
    EXPECT_EQ(parse_signal("SIGTERM"), SIGTERM);
    EXPECT_EQ(parse_signal("RTMIN+3"), SIGRTMIN + 3);
    EXPECT_EQ(parse_signal("SIGRTMIN"), SIGRTMIN);
    for (const std::string_view text : {"", "term", "15", "SIG", "RTMIN+99", "RTMIN3"})
        EXPECT_FALSE(parse_signal(text)) << text;
}

TEST(Modes, AreOctal) {
    EXPECT_EQ(parse_mode("0750"), 0750U);
    EXPECT_EQ(parse_mode("22"), 022U);
    for (const std::string_view text : {"", "0800", "rwx", "10000", "-1", "0x1"})
        EXPECT_FALSE(parse_mode(text)) << text;
}

// Semantics §1: "letters, digits, `: _ . - \`, one `@`".
// "The name is the file name without `.toml`: letters, digits, `: _ . - \`, one `@`."
TEST(Names, OfUnits) {
    for (const std::string_view name :
         {"a", "X.socket", "dev-sda\\x2d1", "getty@tty1", "getty@", "a:b_c"})
        EXPECT_TRUE(is_unit_name(name)) << name;
    for (const std::string_view name : {"", "@x", "a@b@c", "a b", "a/b", "..", ".a", "ä", "a%"})
        EXPECT_FALSE(is_unit_name(name)) << name;
    EXPECT_TRUE(is_unit_name(std::string(200, 'a')));
    EXPECT_FALSE(is_unit_name(std::string(201, 'a')));
    EXPECT_EQ(template_of("getty@tty1"), "getty@");
    EXPECT_EQ(instance_of("getty@tty1"), "tty1");
    EXPECT_EQ(prefix_of("getty"), "getty");
}

TEST(Names, AreUnescapedAsSystemdDoes) {
    EXPECT_EQ(unescape("dev-disk-by\\x2did"), "dev/disk/by-id");
    EXPECT_EQ(unescape("a\\x2"), "a\\x2");
    EXPECT_EQ(unescape("\\xzz"), "\\xzz");
}

TEST(Names, NearestIsTheOneThatWasProbablyMeant) {
    const std::vector<std::string_view> known{"restart", "start-pre", "reload", "stop"};
    EXPECT_EQ(nearest("restrat", known), "restart");
    EXPECT_EQ(nearest("star-pre", known), "start-pre");
    EXPECT_EQ(nearest("sotp", known), "stop");
    EXPECT_EQ(nearest("colour", known), "");
    EXPECT_EQ(nearest("x", known), "");
    EXPECT_EQ(edit_distance("ab", "ba"), 1U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

}  // namespace
}  // namespace reeve::units
