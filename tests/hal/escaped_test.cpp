#include "hal/posix/escaped.hpp"

#include <gtest/gtest.h>

using reeve::posix::escaped;

TEST(Escaped, LeavesTextAsItIs) {
    EXPECT_EQ(escaped("a b\tc"), "a b\tc");
    EXPECT_EQ(escaped("Käse – 端 🙂"), "Käse – 端 🙂");
    EXPECT_EQ(escaped(""), "");
}

TEST(Escaped, ShowsWhatWouldMoveTheCursorOrFakeALine) {
    EXPECT_EQ(escaped("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
    EXPECT_EQ(escaped(std::string_view{"\0", 1}), "\\x00");
    EXPECT_EQ(escaped("\xc2\x9b"), "\\xc2\\x9b") << "CSI of eight bits";
}

TEST(Escaped, ShowsBytesThatAreNotUtf8) {
    EXPECT_EQ(escaped("\xff"), "\\xff");
    EXPECT_EQ(escaped("\xc3"), "\\xc3") << "cut off";
    EXPECT_EQ(escaped("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
    EXPECT_EQ(escaped("\xed\xa0\x80x"), "\\xed\\xa0\\x80x") << "surrogate";
    EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
}
