#include "ctl/log_follow.hpp"

#include <gtest/gtest.h>

namespace reeve::ctl {
namespace {

std::string place(const LogFollow& follow, std::string_view unit) {
    const Value after = follow.after();
    for (const Field& field : after.fields())
        if (field.key == unit) return std::string{field.value.text()};
    return {};
}

std::string as_text(std::uint64_t number, std::string_view line) {
    return api::to_text({number, api::sum_of_line(line)});
}

TEST(LogFollow, CountsTheLinesOfOneTime) {
    LogFollow follow{false};
    follow.shown("T1 web[1] same");
    follow.shown("T1 web[1] same");
    follow.shown("T1 reeved unit web: down -> up");
    EXPECT_EQ(place(follow, "web"), as_text(2, "T1 web[1] same"));
    EXPECT_EQ(place(follow, "reeved"), as_text(1, "T1 reeved unit web: down -> up"));
    follow.shown("T2 web[1] other [2]");
    EXPECT_EQ(place(follow, "web"), as_text(1, "T2 web[1] other [2]"));
    EXPECT_EQ(follow.since(), "") << "all was shown";
}

TEST(LogFollow, TheFirstOfALimitedNumberMayHaveOthersBeforeThem) {
    LogFollow follow{true};
    follow.shown("T1 web[1] a");
    follow.shown("T1 web[1] b");
    EXPECT_EQ(place(follow, "web"), as_text(0, "T1 web[1] b"));
    follow.shown("T2 web[1] c");
    EXPECT_EQ(place(follow, "web"), as_text(1, "T2 web[1] c"));
    EXPECT_EQ(follow.since(), "T1");
}

TEST(LogFollow, WhatTheManagerDroppedForHimIsNoLineOfTheUnit) {
    LogFollow follow{false};
    follow.shown("T1 web[1] a");
    follow.shown("T1 web[1] -- 7 bytes dropped --");
    EXPECT_EQ(place(follow, "web"), as_text(1, "T1 web[1] a"));
}

TEST(LogFollow, APlaceIsReadAsItIsWritten) {
    EXPECT_EQ(api::log_place(api::to_text({3, 17})), (api::LogPlace{3, 17}));
    for (const char* wrong : {"", "3", "3 ", " 3 17", "3 17 ", "x 17", "3 x", "3  17"})
        EXPECT_FALSE(api::log_place(wrong)) << wrong;
}

}  // namespace
}  // namespace reeve::ctl
