#include "ctl/text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace reeve::ctl;

TEST(Text, WidthCountsColumnsNotBytes) {
    EXPECT_EQ(width("abc"), 3U);
    EXPECT_EQ(width("网页服务"), 8U);
    EXPECT_EQ(width("e\xCC\x81"), 1U);  // e with a combining accent
    EXPECT_EQ(width("é"), 1U);
    EXPECT_EQ(width("한국"), 4U);
    EXPECT_EQ(width("🚀"), 2U);
    EXPECT_EQ(width("…├─"), 3U);
}

TEST(Text, ShorteningNeverCutsACharacterInTwo) {
    EXPECT_EQ(shorten("网页服务", 8), "网页服务");
    EXPECT_EQ(shorten("网页服务", 7), "网页服…");
    EXPECT_EQ(shorten("网页服务", 6), "网页…");  // the third would need two columns
    EXPECT_EQ(shorten("abc", 1), "…");
    EXPECT_EQ(shorten("abc", 0), "");
}

TEST(Text, PadFillsByColumns) {
    EXPECT_EQ(pad("网", 4), "网  ");
}

TEST(Text, WhatAServiceSaysCannotMoveTheCursor) {
    EXPECT_EQ(printable("a\033[2Jb"), "a\uFFFD[2Jb");
    EXPECT_EQ(printable("a\tb\nc"), "a b c");
    EXPECT_EQ(printable("\xC2\x9B"
                        "31m"),
              "\uFFFD31m");                                  // the one-byte CSI in UTF-8
    EXPECT_EQ(printable("x\u202Ey"), "x\uFFFDy");            // right-to-left override
    EXPECT_EQ(printable("\xFFz\xE7\xBD"), "\uFFFDz\uFFFD");  // broken bytes, and one cut off
    EXPECT_EQ(printable("网页"), "网页");
}

TEST(Text, OverlongAndSurrogateBytesAreNotCharacters) {
    EXPECT_FALSE(next_glyph("\xC0\xAF").valid);
    EXPECT_FALSE(next_glyph("\xE0\x80\xAF").valid);
    EXPECT_FALSE(next_glyph("\xED\xA0\x80").valid);
    EXPECT_FALSE(next_glyph("\xF5\x80\x80\x80").valid);
    EXPECT_EQ(next_glyph("\xF4\x8F\xBF\xBF").code, char32_t{0x10FFFF});
}

RC_GTEST_PROP(Text, AnyBytesBecomePrintableAndFit, (std::string bytes, std::uint8_t columns)) {
    const std::string clean = printable(bytes);
    std::string_view rest = clean;
    while (!rest.empty()) {
        const Glyph glyph = next_glyph(rest);
        RC_ASSERT(glyph.valid);
        RC_ASSERT(glyph.code >= 0x20 && glyph.code != 0x7F);
        rest.remove_prefix(glyph.bytes);
    }
    RC_ASSERT(width(shorten(clean, columns)) <= columns);
    RC_ASSERT(printable(clean) == clean);
}
