#include "units/expand.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reeve::units {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::map<std::string, std::string> environment{{"A", "1"},
                                                     {"WORDS", " one  two\tthree "},
                                                     {"EMPTY", ""},
                                                     {"DOLLAR", "$A ${A}"},
                                                     {"QUOTED", R"(--name "a b" 'c d'e "f\"g")"}};

std::vector<std::string> expanded(const std::string& word) {
    auto argv = expand({"/bin/x", word}, environment).argv;
    argv.erase(argv.begin());
    return argv;
}

// docs/interfaces.md: "`${X}` is replaced inside a word, a word `$X` alone is split into words,
// `$$` is `$`; unset is empty, with a note."
TEST(Expand, ReplacesInsideAWordAndSplitsAWordAlone) {
    struct Row {
        std::string word;
        std::vector<std::string> words;
    };
    const std::vector<Row> rows{
        {"plain", {"plain"}},
        {"${A}", {"1"}},
        {"a${A}b${A}c", {"a1b1c"}},
        {"${WORDS}", {" one  two\tthree "}},
        {"$WORDS", {"one", "two", "three"}},
        {"$QUOTED", {"--name", "a b", "c de", "f\"g"}},
        {"$EMPTY", {}},
        {"${EMPTY}", {""}},
        {"", {""}},
        {"$$A", {"$A"}},
        {"$$$$", {"$$"}},
        {"x$A", {"x$A"}},  // neither alone nor in braces
        {"$A-b", {"$A-b"}},
        {"$", {"$"}},
        {"${A", {"${A"}},
        {"${}", {"${}"}},
        {"${1}", {"${1}"}},
        {"$1", {"$1"}},
        {"${DOLLAR}", {"$A ${A}"}},  // what comes of a variable is not looked at again
        {"$DOLLAR", {"$A", "${A}"}},
    };
    for (const Row& row : rows) EXPECT_EQ(expanded(row.word), row.words) << row.word;
}

TEST(Expand, TellsWhatIsUnsetOnce) {
    const auto result = expand({"/bin/x", "a${B}", "$C", "${B}"}, environment);
    EXPECT_THAT(result.argv, ElementsAre("/bin/x", "a", ""));
    EXPECT_THAT(result.unset, ElementsAre("B", "C"));
    EXPECT_THAT(expand({"/bin/x", "${A}"}, environment).unset, IsEmpty());
}

TEST(Expand, TheProgramIsNeverSplit) {
    EXPECT_THAT(expand({"$WORDS"}, environment).argv, ElementsAre("$WORDS"));
    EXPECT_THAT(expand({"/opt/${A}/bin"}, environment).argv, ElementsAre("/opt/1/bin"));
}

}  // namespace
}  // namespace reeve::units
