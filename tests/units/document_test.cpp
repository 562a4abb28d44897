#include "units/document.hpp"

#include <gtest/gtest.h>

#include "units/text_scan.hpp"
#include "units/unit_file.hpp"

namespace reeve::units {
namespace {

std::string error_of(std::string_view text) {
    const auto document = parse_document(text);
    if (!document.error) return "none";
    return std::to_string(document.error->line) + ":" + std::to_string(document.error->column) +
           ": " + document.error->text;
}

std::string string_at(std::string_view text, std::string_view key) {
    const auto document = parse_document(text);
    EXPECT_FALSE(document.error) << document.error->text;
    const Entry* entry = document.root.find(key);
    return entry == nullptr ? "nothing" : entry->value.text;
}

TEST(Document, KnowsWhereEverythingStands) {
    const auto document = parse_document("a = 1\n\n[table]\n  key = [\"x\",\n    { y = true }]\n");
    ASSERT_FALSE(document.error);
    const Entry& table = *document.root.find("table");
    EXPECT_EQ(table.line, 3U);
    const Entry& key = *table.value.find("key");
    EXPECT_EQ(key.line, 4U);
    EXPECT_EQ(key.column, 3U);
    ASSERT_EQ(key.value.items.size(), 2U);
    EXPECT_EQ(key.value.items[0].column, 10U);
    EXPECT_EQ(key.value.items[1].line, 5U);
    EXPECT_EQ(key.value.items[1].entries.at(0).value.integer, 1);
}

TEST(Document, Utf8InStringsAndCommentsIsKept) {
    EXPECT_EQ(string_at("a = \"读 🤖\" # 注释\n", "a"), "读 🤖");
    EXPECT_EQ(string_at("a = '读 \"\\n'\n", "a"), "读 \"\\n");
    EXPECT_EQ(string_at("a = \"\"\"读\\\\\n\"é\"\"\"\"", "a"), "读\\\n\"é\"");
    EXPECT_EQ(string_at("a = '''\n读''\"\\x''''\n", "a"), "读''\"\\x'");
    EXPECT_EQ(string_at("a = \"\\u8BFB\\\\读\"\n", "a"), "读\\读");
    EXPECT_EQ(string_at("\xEF\xBB\xBF"
                        "a = 'plain'\r\n",
                        "a"),
              "plain");
}

TEST(Document, PlacesCountCharactersWhateverTheyAreMadeOf) {
    const auto document = parse_document("a = ['读', \"🤖é\", 'é\"', 5] # é\n");
    ASSERT_FALSE(document.error);
    const auto& items = document.root.find("a")->value.items;
    ASSERT_EQ(items.size(), 4U);
    EXPECT_EQ(items[1].column, 11U);
    EXPECT_EQ(items[2].column, 17U);
    EXPECT_EQ(items[3].column, 23U);
    EXPECT_EQ(error_of("a = \"读读读\" b\n").substr(0, 5), "1:11:");
}

// toml++ 3.3.0 is undefined on some of these (marzer/tomlplusplus#294), so it never sees them.
TEST(Document, CharactersBeyondAsciiOutsideOfStringsNeverReachTheParser) {
    EXPECT_EQ(error_of("s\xEF\xBB\x81"),
              "1:2: non-ASCII character outside of strings and comments");
    EXPECT_EQ(error_of("描述 = 1\n"), "1:1: non-ASCII character outside of strings and comments");
    EXPECT_EQ(error_of("a = é\n"), "1:5: non-ASCII character outside of strings and comments");
    EXPECT_EQ(error_of("[a]\n\"描述\" = 1\n"), "2:1: keys are ASCII; found \"描述\"");
    EXPECT_EQ(error_of("[\"描述\"]\n"), "1:2: keys are ASCII; found \"描述\"");
    // Found by the fuzzer: a quote inside a broken number, which to toml++ opens no string.
    EXPECT_NE(error_of("y = 1`yy\"\xD0\xB0%"), "none");
    for (const std::string_view text :
         {"a = \"\xE8\xAF\xBB\" # \xE8\xAF\xBB\n", "a = 1`\"\xD0\xB0\"", "a = '\xEF\xBB\x81'"}) {
        const ScannedText scanned = scan(text);
        for (const char c : scanned.ascii()) EXPECT_GE(static_cast<signed char>(c), 0);
    }
}

TEST(Document, InvalidUtf8HasAPlace) {
    EXPECT_EQ(error_of("a = \"caf\xE9\"\n"), "1:9: invalid UTF-8");
    EXPECT_EQ(error_of("# \xC0\xAF\n"), "1:3: invalid UTF-8");          // overlong
    EXPECT_EQ(error_of("\n# é \xED\xA0\x80\n"), "2:5: invalid UTF-8");  // a surrogate
    EXPECT_EQ(error_of("# \xF4\x90\x80\x80\n"), "1:3: invalid UTF-8");  // beyond U+10FFFF
    EXPECT_EQ(error_of("# \xE8\xAF"), "1:3: invalid UTF-8");            // cut
    EXPECT_EQ(error_of("a = \"\\读\"\n"), "1:7: unknown escape");
}

// Each of these makes toml++ break a precondition of its own, at no place it would tell.
TEST(Document, WhereTheParserBreaksDownTheLineIsFound) {
    EXPECT_EQ(error_of("[&"), "1:1: syntax: malformed TOML");
    EXPECT_EQ(error_of("a = 1\n# x\n\n[&\nb = 2\n"), "4:1: syntax: malformed TOML");
    EXPECT_EQ(error_of("[\x14"), "1:2: control character U+0014");
}

TEST(Document, WhatWouldTakeUsTooDeepIsRefused) {
    std::string dots = "a";
    for (int i = 0; i < 100'000; ++i) dots += ".a";
    EXPECT_EQ(error_of(dots + " = 1\n"), "1:34: too many dots in a key");
    EXPECT_EQ(error_of("[" + dots + "]\n"), "1:35: too many dots in a key");
    const std::string lists(100'000, '[');
    EXPECT_NE(error_of("a = " + lists), "none");
    EXPECT_EQ(error_of(std::string(max_text + 1, ' ')), "0:0: larger than 1 MiB");
    EXPECT_EQ(error_of("a = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,"
                       "1.0, 1.0, 1.0, 1.0]\n"),
              "none");
}

TEST(Document, DatesAndTimesAreToldAsTheyWereWritten) {
    for (const char* text :
         {"1979-05-27", "07:32:00", "00:32:00.0625", "1979-05-27T07:32:00", "0079-05-27T07:32:00Z",
          "1979-05-27T00:32:00.5-07:00", "1979-05-27T00:32:00+05:45"})
        EXPECT_EQ(string_at(std::string{"a = "} + text + "\n", "a"), text);
}

TEST(Document, RealNumbersAreExact) {
    const auto document = parse_document("a = -0.1\nb = 6.02e23\nc = 1_000.5\n");
    ASSERT_FALSE(document.error);
    EXPECT_EQ(document.root.find("a")->value.real, -0.1);
    EXPECT_EQ(document.root.find("b")->value.real, 6.02e23);
    EXPECT_EQ(document.root.find("c")->value.real, 1000.5);
    EXPECT_NE(error_of("a = 1e999\n"), "none");
}

TEST(Rare, CopiesShareUntilOneIsWrittenTo) {
    Rare<std::string> first;
    first.edit() = "a";
    Rare<std::string> second = first;
    EXPECT_EQ(&*first, &*second);
    second.edit() += "b";
    EXPECT_EQ(*first, "a");
    EXPECT_EQ(*second, "ab");
    Rare<std::string> third;
    third.edit() = "a";
    third.share(second);
    EXPECT_EQ(*third, "a");
    third.share(first);
    EXPECT_EQ(&*third, &*first);
}

TEST(Document, MessagesFitOnOneLine) {
    EXPECT_EQ(error_of("[a\n"), "1:3: syntax: parsing table header: expected ']', saw '\\n'");
    EXPECT_EQ(error_of("a = tru\n"),
              "1:8: syntax: parsing boolean: expected 'true', saw 'tru\\x0a'");
    EXPECT_EQ(in_quotes("a\n\"b\\\x01"), "\"a\\x0a\\\"b\\\\\\x01\"");
    EXPECT_EQ(in_quotes(std::string(100, 'x')), "\"" + std::string(60, 'x') + "…\"");
}

}  // namespace
}  // namespace reeve::units
