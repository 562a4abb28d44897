// Runs every tests/scenarios/*.txt: a story of commands, each followed by what the engine asked
// for. After an intended change, rewrite the expectations with UPDATE_SCENARIOS=1 and read the
// diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/core/support/story.hpp"

namespace reeve::core::testing {
namespace {

namespace fs = std::filesystem;

// The file with every expectation replaced by what the engine does now.
std::string replay(std::istream& file, bool save_and_load) {
    Story story;
    story.save_and_load = save_and_load;
    std::string text;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("  ")) continue;  // an old expectation
        text += line + "\n";
        if (line.empty() || line.starts_with("#")) continue;
        std::istringstream happened{story.run(line)};
        for (std::string out; std::getline(happened, out);) text += "  " + out + "\n";
    }
    return text;
}

std::string content(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

class Scenario : public ::testing::TestWithParam<fs::path> {};

TEST_P(Scenario, HappensAsWritten) {
    const std::string written = content(GetParam());
    std::istringstream again{written};
    const std::string actual = replay(again, false);
    if (std::getenv("UPDATE_SCENARIOS")) {
        std::ofstream{GetParam()} << actual;
        return;
    }
    EXPECT_EQ(written, actual) << GetParam();
}

TEST_P(Scenario, HappensTheSameWhenTheStateIsSavedAndLoadedAfterEachStep) {
    const std::string written = content(GetParam());
    std::istringstream again{written};
    EXPECT_EQ(written, replay(again, true)) << GetParam();
}

std::vector<fs::path> scenarios() {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator{TEST_DATA "/scenarios"})
        if (entry.path().extension() == ".txt") found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

std::string test_name(const ::testing::TestParamInfo<fs::path>& scenario) {
    return scenario.param.stem().string();
}

INSTANTIATE_TEST_SUITE_P(All, Scenario, ::testing::ValuesIn(scenarios()), test_name);

}  // namespace
}  // namespace reeve::core::testing
