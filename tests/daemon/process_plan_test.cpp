#include "daemon/process_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace reeve {
namespace {

units::UnitFile service() {
    units::UnitFile unit;
    unit.name = "web";
    unit.service = std::make_unique<units::Service>();
    return unit;
}

RunFacts facts() {
    RunFacts out;
    out.unit = "web";
    out.run = core::RunId{7};
    out.invocation_id = "00112233445566778899aabbccddeeff";
    out.runtime_base = "/run";
    out.state_base = "/var/lib";
    return out;
}

TEST(ProcessPlan, TheEnvironmentHoldsWhatTheContractNamesAndNothingInherited) {
    const auto out = make_environment(service(), {}, facts());
    EXPECT_EQ(out, (Environment{{"PATH",
                                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                 "/sbin:/bin"},
                                {"INVOCATION_ID", "00112233445566778899aabbccddeeff"},
                                {"REEVE_UNIT", "web"},
                                {"REEVE_RUN", "7"}}));
}

TEST(ProcessPlan, FilesOverrideTheUnitAndTheUnitOverridesTheManager) {
    auto unit = service();
    unit.service->surroundings.edit().environment = {{"A", "unit"}, {"B", "unit"}};
    auto given = facts();
    given.file_variables = {{"B", "file"}};
    const auto out = make_environment(unit, {{"A", "manager"}, {"C", "manager"}}, given);
    EXPECT_EQ(out.at("A"), "unit");
    EXPECT_EQ(out.at("B"), "file");
    EXPECT_EQ(out.at("C"), "manager");
}

TEST(ProcessPlan, AnAccountGivesHomeAndNames) {
    auto unit = service();
    unit.service->surroundings.edit().user = "ada";
    os::Account ada;
    ada.name = "ada";
    ada.home = "/home/ada";
    ada.shell = "/bin/sh";
    auto given = facts();
    given.account = &ada;
    const auto out = make_environment(unit, {}, given);
    EXPECT_EQ(out.at("HOME"), "/home/ada");
    EXPECT_EQ(out.at("USER"), "ada");
    EXPECT_EQ(out.at("LOGNAME"), "ada");
    EXPECT_EQ(out.at("SHELL"), "/bin/sh");
}

TEST(ProcessPlan, UnsetVariablesAreNamed) {
    units::Command command;
    command.argv = {"/bin/echo", "${MISSING}-x", "$GIVEN", "$$"};
    std::vector<std::string> unset;
    const auto plan = make_plan(service(), command, {{"GIVEN", "two words"}}, unset);
    EXPECT_EQ(plan.argv, (std::vector<std::string>{"/bin/echo", "-x", "two", "words", "$"}));
    EXPECT_EQ(unset, std::vector<std::string>{"MISSING"});
}

struct FileCase {
    const char* name;
    const char* text;
    Environment expected;
};

class EnvironmentFile : public testing::TestWithParam<FileCase> {};

TEST_P(EnvironmentFile, IsReadAsSystemdReadsIt) {
    EXPECT_EQ(parse_environment_file(GetParam().text), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, EnvironmentFile,
    testing::Values(FileCase{"plain", "A=1\nB=two words\n", {{"A", "1"}, {"B", "two words"}}},
                    FileCase{"comments", "# c\n; d\n\nA=1\n", {{"A", "1"}}},
                    FileCase{"quotes", "A=\"x y\"\nB='$z'\n", {{"A", "x y"}, {"B", "$z"}}},
                    FileCase{"trailing_blanks", "A=1  \nB=\"1 \"\n", {{"A", "1"}, {"B", "1 "}}},
                    FileCase{"continued", "A=1\\\n2\nB=3\n", {{"A", "12"}, {"B", "3"}}},
                    FileCase{"no_newline_at_the_end", "A=1", {{"A", "1"}}},
                    FileCase{"open_quote", "A=\"1\nB=2", {{"A", "1\nB=2"}}},
                    FileCase{"not_an_assignment", "hello\nA=1\n", {{"A", "1"}}}),
    [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace reeve
