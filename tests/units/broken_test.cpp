// tests/units/broken: one file for each kind of problem, with what is said about it in its last
// lines ("#! LINE:COLUMN: KEY: TEXT"). The files in good/ are installed beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "units/check.hpp"

namespace reeve::units {
namespace {

// "One kind table a file. `check` warns of a gate on one that nothing sets."
const std::filesystem::path folder = TEST_DATA "/units/broken";

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{folder})
        if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
    std::ranges::sort(names);
    return names;
}

std::string expected_in(const std::string& file) {
    std::ifstream in{file};
    std::string out;
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("#! ")) out.append(line.substr(3)).append("\n");
    return out;
}

std::string told_about(const std::string& file) {
    LoadOptions options;
    options.folders = {folder / "good"};
    options.host.path = "/usr/bin:/bin";
    std::string out;
    for (const Problem& problem : check({file}, options).problems) {
        std::string line = to_string(problem);
        EXPECT_TRUE(line.starts_with(file + ":")) << line;
        line.erase(0, file.size() + 1);
        if (line.starts_with(' ')) line.erase(0, 1);  // of the file as a whole: no line
        out.append(line).append("\n");
    }
    return out;
}

TEST(BrokenFiles, AreToldExactly) {
    for (const std::string& name : cases()) {
        const std::string file = (folder / (name + ".toml")).string();
        const std::string expected = expected_in(file);
        EXPECT_FALSE(expected.empty()) << name;
        EXPECT_EQ(told_about(file), expected) << name;
    }
}

TEST(BrokenFiles, AreOneForEachKindOfProblem) {
    EXPECT_GE(cases().size(), 40U);
}

}  // namespace
}  // namespace reeve::units
