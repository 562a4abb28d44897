#include "ctl/duration.hpp"

#include <gtest/gtest.h>

using namespace reeve::ctl;
using namespace std::chrono_literals;

TEST(Duration, IsToldInTwoUnitsAtMost) {
    EXPECT_EQ(to_text(0us), "0 us");
    EXPECT_EQ(to_text(340ms), "340 ms");
    EXPECT_EQ(to_text(3250ms), "3.2 s");
    EXPECT_EQ(to_text(59s), "59 s");
    EXPECT_EQ(to_text(60s), "1 min");
    EXPECT_EQ(to_text(65s), "1 min 5 s");
    EXPECT_EQ(to_text(2h + 3min + 4s), "2 h 3 min");
    EXPECT_EQ(to_text(97h), "4 d 1 h");
    EXPECT_EQ(to_text(-1s), "0 us");
    EXPECT_EQ(to_text(forever), "infinity");
    EXPECT_EQ(to_seconds_text(999ms), "0 s");
    EXPECT_EQ(to_seconds_text(3999ms), "3 s");
}
