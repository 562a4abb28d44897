#include "ctl/json.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cstdlib>
#include <limits>

using namespace reeve::ctl;

TEST(Json, WritesEveryKindOfValue) {
    Value value;
    value.set("null", {})
        .set("yes", true)
        .set("negative", -9)
        .set("large", UINT64_MAX)
        .set("real", 0.5)
        .set("text", "网\"\\\n\x01")
        .set("list", Value::strings({"a", "b"}))
        .set("none", Value::object());
    EXPECT_EQ(to_json(value),
              R"({"null":null,"yes":true,"negative":-9,"large":18446744073709551615,"real":0.5,)"
              R"("text":"网\"\\\n\u0001","list":["a","b"],"none":{}})");
}

TEST(Json, RealNumbersAreShortAndExact) {
    for (const char* text : {"0.1", "-2.5", "1e+300", "0.30000000000000004", "123456.789"}) {
        EXPECT_EQ(to_json(Value{std::strtod(text, nullptr)}), text);
    }
    EXPECT_EQ(to_json(Value{std::numeric_limits<double>::infinity()}), "null");
}

TEST(Json, BrokenBytesBecomeReplacementCharacters) {
    EXPECT_EQ(to_json(Value{"a\xFF"}), "\"a\uFFFD\"");
}

TEST(Json, ReadsWhatManagersWrite) {
    const auto value = parse_json(R"( {"ok": true, "added": ["a", "b"], "n": -3, "x": 1.5e2,
                                       "text": "\u7f51\ud83d\ude80\/\n", "nothing": null} )");
    ASSERT_TRUE(value);
    EXPECT_TRUE((*value)["ok"].boolean());
    EXPECT_EQ((*value)["added"].words(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ((*value)["n"].integer(), -3);
    EXPECT_EQ(to_json((*value)["x"]), "150");
    EXPECT_EQ((*value)["text"].text(), "网🚀/\n");
    EXPECT_TRUE((*value)["nothing"].is_null());
    EXPECT_TRUE((*value)["missing"].is_null());
}

TEST(Json, RefusesWhatIsNotJson) {
    for (const char* text :
         {"", "{", "[1,]", "{\"a\"}", "tru", "\"open", "1 2", "{'a':1}", "-", "\"\\u12\"", "nan"}) {
        EXPECT_FALSE(parse_json(text)) << text;
    }
    EXPECT_FALSE(parse_json(std::string(100'000, '[')));
}

RC_GTEST_PROP(Json, TextComesBackAsItWas, (std::vector<std::uint16_t> codes)) {
    std::string text;
    for (const auto code : codes) {
        if (code < 0xD800 || code > 0xDFFF) {
            // Every character of the basic plane but surrogates.
            const auto value = parse_json("\"\\u" + [&] {
                char hex[5];
                std::snprintf(hex, sizeof hex, "%04x", code);
                return std::string{hex};
            }() + "\"");
            RC_ASSERT(value.has_value());
            text += value->text();
        }
    }
    const auto back = parse_json(to_json(Value{text}));
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->text() == text);
}

RC_GTEST_PROP(Json, AnyBytesAreRefusedOrRead, (std::string bytes)) {
    const auto value = parse_json(bytes);
    if (value) RC_ASSERT(parse_json(to_json(*value)).has_value());
}
