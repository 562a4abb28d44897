#include "units/reference.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "units/load.hpp"
#include "units/schema.hpp"

namespace reeve::units {
namespace {

const std::string readme = SOURCE_ROOT "/units/README.md";

std::string content_of(const std::string& file) {
    std::ostringstream out;
    out << std::ifstream{file}.rdbuf();
    return out.str();
}

// UPDATE_REFERENCE=1 rewrites it.
TEST(Reference, InTheReadmeIsWhatTheCodeReads) {
    const std::string text = content_of(readme);
    const auto begin = text.find(reference_begin);
    const auto end = text.find(reference_end);
    ASSERT_NE(begin, std::string::npos);
    ASSERT_NE(end, std::string::npos);
    const auto first = begin + std::string_view{reference_begin}.size();
    if (std::getenv("UPDATE_REFERENCE") != nullptr) {
        std::ofstream{readme} << text.substr(0, first) << '\n' << reference() << text.substr(end);
        return;
    }
    EXPECT_EQ(text.substr(first, end - first), "\n" + reference());
}

TEST(Reference, EveryRowIsComplete) {
    std::set<std::string> seen;
    for (const Row* row : all_rows()) {
        const std::string key = std::string{row->table} + "." + std::string{row->key};
        EXPECT_TRUE(seen.insert(key).second) << key;
        EXPECT_FALSE(row->type.empty() || row->fallback.empty() || row->example.empty() ||
                     row->about.empty())
            << key;
        EXPECT_FALSE(is_later_key(row->table, row->key)) << key;
    }
}

// The value of `key` in its table, with what else it takes to be a unit.
std::string file_with(const Row& row) {
    const std::string assignment = std::string{row.key} + " = " + std::string{row.example} + "\n";
    if (row.table == "device")
        return "[device]\n" + std::string{row.key == "class" ? "" : "class = \"semaphore\"\n"} +
               assignment;
    std::string service = "[service]\n";
    if (row.key != "command") service += "command = [\"/bin/true\"]\n";
    if (row.key == "pid-file") service += "type = \"forking\"\n";
    if (row.key == "ready-fd") service += "type = \"notify\"\n";
    if (row.key == "limit.starts" || row.key == "limit.then") service += "limit.within = \"1h\"\n";
    if (row.key == "limit.within" || row.key == "limit.then") service += "limit.starts = 5\n";
    if (row.table == "service") return service + assignment;
    return service + "[" + std::string{row.table} + "]\n" + assignment;
}

TEST(Reference, EveryExampleCanBeWritten) {
    for (const Row* row : all_rows()) {
        const std::string text = file_with(*row);
        const auto result = parse_unit("x@1", "x.toml", text, {});
        EXPECT_TRUE(result.unit) << text;
        for (const Problem& problem : result.problems)
            EXPECT_EQ(problem.severity, Severity::warning) << to_string(problem);
    }
}

// An example that said what happens anyway would show nothing.
TEST(Reference, EveryExampleChangesTheUnit) {
    for (const Row* row : all_rows()) {
        if (row->key == "command" || row->key == "class" || row->key == "default-instance")
            continue;
        const std::string text = file_with(*row);
        const std::string assignment = std::string{row->key} + " = " + std::string{row->example};
        const std::string without =
            std::string{text}.replace(text.find(assignment), assignment.size(), "");
        const auto with = parse_unit("x@1", "x.toml", text, {});
        const auto bare = parse_unit("x@1", "x.toml", without, {});
        ASSERT_TRUE(with.unit) << text;
        if (!bare.unit) continue;
        EXPECT_FALSE(same_definition(*with.unit, *bare.unit)) << text;
    }
}

}  // namespace
}  // namespace reeve::units
