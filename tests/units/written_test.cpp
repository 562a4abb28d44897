#include "units/written.hpp"

#include <gtest/gtest.h>

#include "units/load.hpp"
#include "units/schema.hpp"
#include "units/values.hpp"

namespace reeve::units {
namespace {

UnitPtr unit_of(const std::string& text) {
    auto result = parse_unit("x@1", "x.toml", text, {});
    for (const Problem& problem : result.problems)
        ADD_FAILURE() << to_string(problem) << "\n" << text;
    return result.unit;
}

std::vector<std::string> told(const UnitFile& was, const UnitFile& is) {
    std::vector<std::string> out;
    for (const KeyChange& each : changed_keys(was, is))
        out.push_back(each.key + ": " + each.was + " -> " + each.is);
    return out;
}

using Lines = std::vector<std::string>;

TEST(Written, TellsTheKeysThatChangedInTheWordsOfTheFile) {
    const auto was = unit_of("[unit]\nafter = [\"a\"]\n[service]\ncommand = [\"/bin/true\"]\n");
    const auto is = unit_of(
        "[unit]\nrequires = [{ unit = \"b\", order = \"none\" }]\n"
        "[service]\ncommand = [\"/bin/false\", \"a \\\"b\\\"\"]\nkill-signal = \"INT\"\n"
        "environment = { RATE = \"200\" }\nstop-timeout = \"90s\"\n");
    EXPECT_EQ(
        told(*was, *is),
        (Lines{R"(service.command: ["/bin/true"] -> ["/bin/false", "a \"b\""])",
               R"(service.environment.RATE:  -> "200")", R"(service.kill-signal: "TERM" -> "INT")",
               R"(service.stop-timeout: "10s" -> "1min 30s")", R"(unit.after: ["a"] -> )",
               R"(unit.requires:  -> [{ unit = "b", order = "none" }])"}));
}

TEST(Written, SaysNothingOfWhatIsTheSame) {
    const std::string text =
        "[service]\ncommand = [\"/bin/true\"]\n[unit]\ngate = [{ any = [\"path:/a\", \"!event:b\"] "
        "}]\n";
    EXPECT_EQ(told(*unit_of(text), *unit_of(text)), Lines{});
}

TEST(Written, KindsAreNotTheSame) {
    const auto target = unit_of("[target]\n");
    const auto device = unit_of("[device]\nclass = \"semaphore\"\ncapacity = 2\n");
    EXPECT_EQ(told(*target, *device), (Lines{"device.capacity:  -> 2", "kind: target -> device"}));
}

// What can be written can be told of: each key by its example against the file without it.
TEST(Written, KnowsEveryKeyOfTheReference) {
    for (const Row* row : all_rows()) {
        if (row->key == "class" || row->key == "default-instance" || row->table == "device")
            continue;
        const std::string line = std::string{row->key} + " = " + std::string{row->example} + "\n";
        std::string service = "[service]\n";
        if (row->key != "command") service += "command = [\"/bin/true\"]\n";
        if (row->key == "pid-file") service += "type = \"forking\"\n";
        if (row->key == "ready-fd") service += "type = \"notify\"\n";
        const bool of_limit = row->key.starts_with("limit.") && row->key != "limit.nofile";
        const std::string whole =
            "limit.starts = 77\nlimit.within = \"2h\"\n";  // one without the other is an error
        std::string without = service + (of_limit ? whole : "");
        std::string with = without;
        if (of_limit && with.find(std::string{row->key} + " =") != std::string::npos) {
            const auto at = with.find(std::string{row->key} + " =");
            with.erase(at, with.find('\n', at) - at + 1);
        }
        with += row->table == "service" ? line : "[" + std::string{row->table} + "]\n" + line;
        if (row->key == "command") without += "command = [\"/bin/false\"]\n";
        const auto was = parse_unit("x@1", "x.toml", without, {}).unit;
        const auto is = parse_unit("x@1", "x.toml", with, {}).unit;
        ASSERT_TRUE(was && is) << without << "\n" << with;
        const std::string key = std::string{row->table} + "." + std::string{row->key};
        bool named = false;
        for (const KeyChange& each : changed_keys(*was, *is)) named |= each.key.starts_with(key);
        EXPECT_TRUE(named) << key;
    }
}

TEST(Written, SignalsHaveNames) {
    for (int signal = 1; signal <= 64; ++signal) {
        const auto back = parse_signal(signal_word(signal));
        EXPECT_EQ(back.value_or(signal), signal);
    }
    EXPECT_EQ(signal_word(15), "TERM");
    EXPECT_EQ(size_word(1536 << 10), "1536KiB");
    EXPECT_EQ(size_word(4097), "4097B");
}

}  // namespace
}  // namespace reeve::units
