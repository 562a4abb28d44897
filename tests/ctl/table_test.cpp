#include "ctl/table.hpp"

#include <gtest/gtest.h>

using namespace reeve::ctl;

namespace {

Table two_units() {
    Table table{{"UNIT", "STATE", "WHAT"}};
    table.add({{"网页"}, {"up", Style::good}, {"提供网页服务"}});
    table.add({{"database"}, {"failed", Style::bad}, {"exit code 3"}});
    return table;
}

}  // namespace

TEST(Table, ChineseAndLatinColumnsLineUp) {
    EXPECT_EQ(two_units().render({}),
              "UNIT      STATE   WHAT\n"
              "网页      up      提供网页服务\n"
              "database  failed  exit code 3\n");
}

TEST(Table, TheLastColumnIsCutToTheScreen) {
    EXPECT_EQ(two_units().render({.columns = 28}),
              "UNIT      STATE   WHAT\n"
              "网页      up      提供网页…\n"
              "database  failed  exit code…\n");
}

TEST(Table, ColoursStandAroundTheTextAndDoNotCountAsWidth) {
    const std::string text = two_units().render({.colour = true, .headings = false});
    EXPECT_EQ(text,
              "网页      \033[32mup\033[0m      提供网页服务\n"
              "database  \033[1;31mfailed\033[0m  exit code 3\n");
}

TEST(Table, OnlySomeRowsAreShownAndMeasured) {
    EXPECT_EQ(two_units().render({.headings = false, .rows = 1}), "网页  up  提供网页服务\n");
}

TEST(Table, EmptyCellsAtTheEndLeaveNoSpaces) {
    Table table{{"A", "B", "C"}};
    table.add({{"x"}});
    table.add({{"y"}, {""}, {""}});
    EXPECT_EQ(table.render({}), "A  B  C\nx\ny\n");
}

TEST(Table, WithoutRowsThereAreHeadingsOnly) {
    EXPECT_EQ(Table{{"EVENT"}}.render({}), "EVENT\n");
    EXPECT_EQ(Table{{"EVENT"}}.render({.headings = false}), "");
}
