#include "units/check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/units/support/folder.hpp"

namespace reeve::units {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Check, OfTheFoldersTellsAllProblems) {
    const Folder folder;
    folder.write("lib/a.toml", "[unit]\nafter = 5\n[target]\n");
    folder.write("etc/b.toml", "[unit]\nrequires = [\"c\"]\n[target]\n");
    const CheckReport report = check({}, folder.options());
    EXPECT_THAT(lines(report.problems, folder),
                ElementsAre("etc/b.toml:2:13: unit.requires: there is no unit \"c\"",
                            "lib/a.toml:2:9: unit.after: found 5, expected a list of names such as "
                            "[\"network\"]"));
    EXPECT_FALSE(report.good());
    EXPECT_EQ(report.units, 1U);
}

TEST(Check, OfAFileSeesItAmongTheInstalledOnesAndTellsItsProblemsAlone) {
    const Folder folder;
    folder.write("lib/db.toml", "[target]\n");
    folder.write("lib/bad.toml", "nonsense\n");
    folder.write("new/web.toml", "[unit]\nrequires = [\"db\", \"dc\"]\n[target]\n");
    folder.write("new/other.toml", "nonsense\n");
    const CheckReport report = check({folder.path("new/web.toml")}, folder.options());
    EXPECT_THAT(lines(report.problems, folder),
                ElementsAre("new/web.toml:2:19: unit.requires: there is no unit \"dc\"; did you "
                            "mean \"db\"?"));
}

TEST(Check, OfAFolderPutsItBeforeTheOthers) {
    const Folder folder;
    folder.write("lib/db.toml", "nonsense\n");
    folder.write("new/db.toml", "[target]\n");
    folder.write("new/web.toml", "[unit]\nrequires = [\"db\"]\n[target]\n");
    const CheckReport report = check({folder.path("new")}, folder.options());
    EXPECT_THAT(lines(report.problems, folder), IsEmpty());
    EXPECT_TRUE(report.good());
    EXPECT_EQ(report.units, 2U);
}

TEST(Check, OfWhatIsNotThereOrNoUnitFileSaysSo) {
    const Folder folder;
    folder.write("new/readme.txt", "x");
    const CheckReport report =
        check({folder.path("gone"), folder.path("new/readme.txt")}, folder.options());
    EXPECT_THAT(lines(report.problems, folder),
                ElementsAre("gone: no such file or folder",
                            "new/readme.txt: not the name of a unit file: NAME.toml, where NAME is "
                            "letters, digits, : _ . - \\ and one @"));
}

TEST(Check, OfADropInLaysItOverItsUnit) {
    const Folder folder;
    folder.write("etc/web.toml", "[service]\ncommand = [\"/bin/true\"]\n");
    folder.write("etc/web.toml.d/10.toml", "[service]\nenvironment = { X = \"1\" }\n");
    folder.write("lib/db.toml", "[target]\n");
    folder.write("new/db.toml.d/10.toml", "[unit]\nafter = 5\n");
    folder.write("new/dc.toml.d/10.toml", "[unit]\nafter = [\"db\"]\n");
    CheckReport report = check({folder.path("etc/web.toml.d/10.toml")}, folder.options());
    EXPECT_THAT(lines(report.problems, folder), IsEmpty());
    EXPECT_EQ(report.units, 1U);
    for (const char* asked : {"new/db.toml.d", "new/db.toml.d/", "new/db.toml.d/10.toml"}) {
        report = check({folder.path(asked)}, folder.options());
        EXPECT_THAT(lines(report.problems, folder),
                    ElementsAre("new/db.toml.d/10.toml:2:9: unit.after: found 5, expected a list "
                                "of names such as [\"network\"]"))
            << asked;
    }
    report = check({folder.path("new/dc.toml.d/10.toml")}, folder.options());
    EXPECT_THAT(lines(report.problems, folder),
                ElementsAre("new/dc.toml.d: warning: there is no such unit"));
}

TEST(Check, CountsWhatItWasAskedForOnly) {
    const Folder folder;
    folder.write("lib/db.toml", "[target]\n");
    folder.write("new/web.toml", "[target]\n");
    EXPECT_EQ(check({folder.path("new/web.toml")}, folder.options()).units, 1U);
    EXPECT_EQ(check({}, folder.options()).units, 1U);
}

TEST(Check, WarningsAloneAreGood) {
    const Folder folder;
    folder.write("etc/a.toml", "[unit]\ngate = [\"event:x\"]\n[target]\n");
    const CheckReport report = check({}, folder.options());
    EXPECT_TRUE(report.good());
    EXPECT_EQ(format(report.problems),
              folder.path("etc/a.toml") +
                  ":2:9: warning: unit.gate: no unit sets the event \"x\"; only `reevectl event "
                  "set` can open this gate\n");
}

}  // namespace
}  // namespace reeve::units
