#include "units/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/units/support/folder.hpp"

namespace reeve::units {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view service = "[service]\ncommand = [\"/bin/true\"]\n";

std::vector<std::string> names(const UnitSet& set) {
    std::vector<std::string> out;
    for (const auto& [name, unit] : set.units) out.push_back(name);
    return out;
}

std::vector<std::string> linked(const UnitFile& unit, Relation relation) {
    std::vector<std::string> out;
    for (const Link& link : unit.links)
        if (link.relation == relation) out.push_back(link.unit);
    return out;
}

// Semantics §1: "The first file on the search path wins whole."
TEST(Load, TheFirstFileOnThePathWinsWhole) {
    const Folder folder;
    folder.write("lib/web.toml", "[unit]\nafter = [\"db\"]\ndescription = \"lib\"\n[target]\n");
    folder.write("etc/web.toml", "[unit]\ndescription = \"etc\"\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    EXPECT_EQ(set.find("web")->description, "etc");
    EXPECT_THAT(set.find("web")->links, IsEmpty());
    EXPECT_THAT(set.find("web")->files, ElementsAre(folder.path("etc/web.toml")));
}

// "In a drop-in, lists of names, predicates and files add; all else replaces".
TEST(Load, DropInsAddToListsAndReplaceTheRest) {
    const Folder folder;
    folder.write("lib/web.toml", R"([unit]
        description = "before"
        after = ["a"]
        gate = ["path:/a"]
        [service]
        command = ["/bin/a"]
        success-exit-status = [1]
        environment = { A = "1", B = "2" }
        environment-file = "/etc/a")");
    folder.write("etc/web.toml.d/10.toml", R"([unit]
        description = "after"
        after = ["b"]
        gate = ["path:/b"]
        [service]
        command = ["/bin/b"]
        success-exit-status = [2]
        environment = { B = "3" }
        environment-file = ["/etc/b"]
        [log]
        to = ["file"])");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    const UnitFile& web = *set.find("web");
    EXPECT_EQ(web.description, "after");
    EXPECT_THAT(linked(web, Relation::after), ElementsAre("a", "b"));
    EXPECT_EQ(web.predicates->gate.size(), 2U);
    ASSERT_EQ(web.service->commands.size(), 1U);
    EXPECT_EQ(web.service->commands[0].argv[0], "/bin/b");
    EXPECT_THAT(web.service->exits->success.codes, ElementsAre(2));
    EXPECT_EQ(web.service->surroundings->environment,
              (std::map<std::string, std::string>{{"A", "1"}, {"B", "3"}}));
    EXPECT_EQ(web.service->surroundings->environment_files.size(), 2U);
    EXPECT_TRUE(web.log->file);
    EXPECT_THAT(web.files,
                ElementsAre(folder.path("lib/web.toml"), folder.path("etc/web.toml.d/10.toml")));
}

// "`replace = ["unit.after"]` drops what was there."
TEST(Load, ReplaceDropsWhatWasThere) {
    const Folder folder;
    folder.write("lib/web.toml",
                 "[unit]\nafter = [\"a\"]\nwants = [\"w\"]\n[service]\ncommand = [\"/bin/a\"]\n"
                 "limits.nofile = 100\n");
    folder.write(
        "lib/web.toml.d/10.toml",
        "replace = [\"unit.after\", \"service.limits.nofile\"]\n[unit]\nafter = [\"b\"]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    EXPECT_THAT(linked(*set.find("web"), Relation::after), ElementsAre("b"));
    EXPECT_THAT(linked(*set.find("web"), Relation::wants), ElementsAre("w"));
    EXPECT_FALSE(set.find("web")->service->surroundings->nofile);
}

// "drop-ins by file name …; of two with one file name the folder earlier on the path counts".
TEST(Load, DropInsGoByFileNameAndTheEarlierFolderCounts) {
    const Folder folder;
    folder.write("lib/web.toml", "[target]\n");
    folder.write("lib/web.toml.d/10.toml", "[unit]\nafter = [\"lib-10\"]\n");
    folder.write("etc/web.toml.d/10.toml", "[unit]\nafter = [\"etc-10\"]\n");
    folder.write("etc/web.toml.d/30.toml", "[unit]\nafter = [\"etc-30\"]\n");
    folder.write("lib/web.toml.d/20.toml", "[unit]\nafter = [\"lib-20\"]\n");
    folder.write("lib/web.toml.d/40.toml", "[unit]\nafter = [\"lib-40\"]\n");
    folder.write("etc/web.toml.d/40.toml", "");  // masks the drop-in
    EXPECT_THAT(linked(*folder.load().find("web"), Relation::after),
                ElementsAre("etc-10", "lib-20", "etc-30"));
}

// "`NAME@.toml.d` before `NAME@i.toml.d`".
// "Then drop-ins by file name, `NAME@.toml.d` before `NAME@i.toml.d`;"
TEST(Load, DropInsOfTheTemplateComeBeforeThoseOfTheInstance) {
    const Folder folder;
    folder.write("lib/tty@.toml", "[unit]\nafter = [\"t\"]\n[target]\n");
    folder.write("lib/tty@1.toml.d/10.toml", "[unit]\nafter = [\"instance\"]\n");
    folder.write("lib/tty@.toml.d/20.toml", "[unit]\nafter = [\"template-%i\"]\n");
    folder.write("lib/a.toml", "[unit]\nwants = [\"tty@1\", \"tty@2\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(linked(*set.find("tty@1"), Relation::after),
                ElementsAre("t", "template-1", "instance"));
    EXPECT_THAT(linked(*set.find("tty@2"), Relation::after), ElementsAre("t", "template-2"));
}

// "An empty file, or a link to /dev/null, masks."
TEST(Load, AnEmptyFileOrALinkToDevNullMasks) {
    const Folder folder;
    folder.write("lib/a.toml", service);
    folder.write("lib/b.toml", service);
    folder.write("lib/tty@.toml", service);
    folder.write("lib/c.toml", "[unit]\nwants = [\"a\", \"tty@1\", \"tty@2\"]\n[target]\n");
    folder.write("etc/a.toml", "");
    folder.link("run/b.toml", "/dev/null");
    folder.link("etc/tty@2.toml", "/dev/null");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    EXPECT_THAT(names(set), ElementsAre("c", "tty@1"));
    EXPECT_EQ(set.masked.at("a"), folder.path("etc/a.toml"));
    EXPECT_EQ(set.masked.at("b"), folder.path("run/b.toml"));
    EXPECT_EQ(set.masked.at("tty@2"), folder.path("etc/tty@2.toml"));
}

TEST(Load, InstancesOfAMaskedTemplateAreMasked) {
    const Folder folder;
    folder.write("lib/tty@.toml", service);
    folder.write("etc/tty@.toml", "");
    folder.write("lib/a.toml", "[unit]\nwants = [\"tty@1\"]\n[target]\n");
    EXPECT_TRUE(folder.load().masked.contains("tty@1"));
}

TEST(Load, ADropInOfAnotherKindNamesTheFileOfTheFirst) {
    const Folder folder;
    folder.write("lib/a.toml", "[target]\n");
    folder.write("lib/a.toml.d/10.toml", "[device]\nclass = \"semaphore\"\n");
    EXPECT_THAT(lines(folder.load().problems, folder),
                ElementsAre("lib/a.toml.d/10.toml:1:2: device: a file holds one kind of thing, and "
                            "this one has [target] at line 1 of " +
                            folder.path("lib/a.toml") + " already"));
}

TEST(Load, AnInstanceWithDropInsOfItsOwnExists) {
    const Folder folder;
    folder.write("lib/tty@.toml", "[unit]\nwanted-by = [\"default\"]\n[target]\n");
    folder.write("lib/tty@2.toml.d/50-enabled.toml", "[unit]\nenabled = true\n");
    folder.write("lib/tty@.toml.d/10.toml", "[unit]\ndescription = \"x\"\n");
    folder.write("lib/nothing@2.toml.d/10.toml", "[unit]\nenabled = true\n");
    const UnitSet set = folder.load();
    ASSERT_EQ(set.units.size(), 1U);
    EXPECT_TRUE(set.units.contains("tty@2"));
    EXPECT_THAT(lines(set.problems, folder),
                ElementsAre("lib/nothing@2.toml.d: warning: there is no such unit"));
}

// "`NAME@.toml` is a template; `NAME@i` exists once it is referred to, asked for or has drop-ins of
// its own, `NAME@i.toml` replaces it for that instance, `NAME@` alone means `default-instance`,
// else is an error."
TEST(Load, InstancesExistWhenTheyAreReferredTo) {
    const Folder folder;
    folder.write("lib/tty@.toml",
                 "[unit]\ndescription = \"on %i\"\nrequires = [\"dev@%i\"]\n[service]\ncommand = "
                 "[\"/bin/getty\", \"%I\"]\n");
    folder.write("lib/dev@.toml", "[target]\n");
    folder.write("lib/tty@2.toml", "[unit]\ndescription = \"own\"\n[target]\n");
    folder.write("lib/a.toml",
                 "[unit]\nwants = [\"tty@1\", \"tty@2\"]\ngate = [\"unit:dev@9\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    EXPECT_THAT(names(set), ElementsAre("a", "dev@1", "dev@9", "tty@1", "tty@2"));
    EXPECT_EQ(set.find("tty@1")->description, "on 1");
    EXPECT_EQ(set.find("tty@2")->description, "own");
    EXPECT_EQ(set.templates.at("tty@"), folder.path("lib/tty@.toml"));
}

// "`NAME@` alone means `default-instance`, else is an error."
TEST(Load, ABareTemplateNameMeansItsDefaultInstance) {
    const Folder folder;
    folder.write("lib/tty@.toml", "[unit]\ndefault-instance = \"console\"\n[target]\n");
    folder.write("lib/dev@.toml", "[target]\n");
    folder.write("lib/a.toml", "[unit]\nwants = [\"tty@\"]\nafter = [\"dev@\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(names(set), ElementsAre("a", "tty@console"));
    EXPECT_THAT(linked(*set.find("a"), Relation::wants), ElementsAre("tty@console"));
    EXPECT_THAT(lines(set.problems, folder),
                ElementsAre("lib/a.toml:3:10: unit.after: \"dev@\" is a template without "
                            "default-instance; name an instance"));
}

TEST(Load, AnEnabledTemplateBringsItsDefaultInstance) {
    const Folder folder;
    const std::string text =
        "[unit]\ndefault-instance = \"1\"\nwanted-by = [\"default\"]\n[target]\n";
    folder.write("lib/a@.toml", text);
    folder.write("lib/b@.toml", text);
    folder.write("etc/b@.toml.d/enabled.toml", "[unit]\nenabled = false\n");
    EXPECT_THAT(names(folder.load()), ElementsAre("a@1"));
}

TEST(Load, ATemplateWithProblemsIsToldOnceAndItsInstancesAreBad) {
    const Folder folder;
    folder.write("lib/tty@.toml", "[service]\ntyp = \"simple\"\ncommand = [\"/bin/a\", \"%i\"]\n");
    folder.write("lib/a.toml", "[unit]\nwants = [\"tty@1\", \"tty@2\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(lines(set.problems, folder),
                ElementsAre("lib/tty@.toml:2:1: service.typ: unknown key; did you mean `type`?"));
    EXPECT_EQ(set.bad.at("tty@2").size(), 1U);
    EXPECT_THAT(names(set), ElementsAre("a"));
}

TEST(Load, InstancesThatReferToEverNewOnesComeToAnEnd) {
    const Folder folder;
    folder.write("lib/a@.toml", "[unit]\nwants = [\"a@%i0\", \"a@%i1\"]\n[target]\n");
    folder.write("lib/b.toml", "[unit]\nwants = [\"a@x\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_LE(set.units.size(), 10'001U);
    EXPECT_THAT(lines(set.problems, folder),
                testing::Contains("lib/a@.toml: more than 10000 instances; do they refer to ever "
                                  "new ones?"));
}

TEST(Load, AliasesAreFurtherNames) {
    const Folder folder;
    folder.write("lib/a.toml", "[unit]\naliases = [\"b\", \"c\"]\n[target]\n");
    folder.write("lib/tty@.toml", "[unit]\naliases = [\"getty@\"]\n[target]\n");
    folder.write("lib/d.toml", "[unit]\nrequires = [\"c\", \"getty@1\"]\n[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(lines(set.problems, folder), IsEmpty());
    EXPECT_EQ(set.find("b"), set.find("a"));
    EXPECT_EQ(set.find("getty@1")->name, "tty@1");
}

// "two units with one alias are an error".
TEST(Load, TwoUnitsWithOneAliasAreBothBad) {
    const Folder folder;
    folder.write("lib/a.toml", "[unit]\naliases = [\"x\"]\n[target]\n");
    folder.write("lib/b.toml", "[unit]\naliases = [\"y\", \"x\"]\n[target]\n");
    folder.write("lib/c.toml", "[unit]\naliases = [\"d\"]\n[target]\n");
    folder.write("lib/d.toml", "[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(lines(set.problems, folder),
                ElementsAre("lib/a.toml:2:12: unit.aliases: \"x\" is also an alias of b",
                            "lib/b.toml:2:17: unit.aliases: \"x\" is also an alias of a",
                            "lib/c.toml:2:12: unit.aliases: \"d\" is the name of a unit"));
    EXPECT_THAT(names(set), ElementsAre("d"));
    EXPECT_FALSE(set.find("y"));
}

// "Stock targets have the suffixed name as alias."
TEST(Load, StockTargetsHaveTheSuffixedNameAsAlias) {
    const Folder folder;
    folder.write("lib/default.toml", "[target]\n");
    folder.write("lib/network.toml", "[target]\n");
    folder.write("etc/network.target.toml", "[target]\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(set.problems, IsEmpty());
    EXPECT_EQ(set.find("default.target")->name, "default");
    EXPECT_EQ(set.find("network.target")->name, "network.target");
}

TEST(Load, ABadFileCountsAsMissingAndTheRestIsThere) {
    const Folder folder;
    folder.write("lib/a.toml", "[unit]\nrequires = [\"b\"]\nafter = [\"b\"]\n[target]\n");
    folder.write("lib/b.toml", "[service]\ncommand = \"/bin/true\"\n");
    const UnitSet set = folder.load();
    EXPECT_THAT(names(set), ElementsAre("a"));
    EXPECT_THAT(
        lines(set.problems, folder),
        ElementsAre("lib/a.toml:2:13: unit.requires: \"b\" has problems, so this unit cannot "
                    "start",
                    "lib/b.toml:2:11: service.command: found \"/bin/true\", expected a list "
                    "of words such as [\"/usr/bin/imu-poller\", \"--rate\", \"200\"]"));
    EXPECT_EQ(set.bad.at("b").size(), 1U);
}

TEST(Load, AProblemInADropInNamesTheDropIn) {
    const Folder folder;
    folder.write("lib/a.toml", std::string{service} + "typ = \"x\"\n");
    folder.write("etc/a.toml.d/1.toml", "[unit]\nafter = 5\n");
    folder.write("etc/a.toml.d/2.toml", "[unit\n");
    const UnitSet set = folder.load();
    EXPECT_TRUE(set.bad.contains("a"));
    const auto told = lines(set.problems, folder);
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(told[0],
              "etc/a.toml.d/1.toml:2:9: unit.after: found 5, expected a list of names such as "
              "[\"network\"]");
    EXPECT_TRUE(told[1].starts_with("etc/a.toml.d/2.toml:1:6: syntax: ")) << told[1];
    EXPECT_EQ(told[2], "lib/a.toml:3:1: service.typ: unknown key; did you mean `type`?");
}

TEST(Load, DropInsOfNoUnitAreTold) {
    const Folder folder;
    folder.write("etc/wbe.toml.d/1.toml", "[unit]\n");
    EXPECT_THAT(lines(folder.load().problems, folder),
                ElementsAre("etc/wbe.toml.d: warning: there is no such unit"));
}

TEST(Load, AFileThatIsNoFileIsAProblemAndNeverWaitedFor) {
    const Folder folder;
    folder.write("etc/a.toml", service);
    ASSERT_EQ(::mkfifo(folder.path("etc/fifo.toml").c_str(), 0600), 0);
    std::filesystem::create_directory(folder.path("etc/folder.toml"));
    folder.link("etc/gone.toml", "nowhere");
    folder.write("etc/two@at@s.toml", service);
    folder.write("etc/.hidden.toml", "nonsense");
    folder.write("etc/README", "nonsense");
    const UnitSet set = folder.load();
    EXPECT_THAT(
        lines(set.problems, folder),
        ElementsAre("etc/fifo.toml: not a regular file", "etc/folder.toml: not a regular file",
                    "etc/gone.toml: cannot read: No such file or directory",
                    "etc/two@at@s.toml: not the name of a unit: letters, digits, : _ . - \\ and "
                    "one @"));
    EXPECT_THAT(names(set), ElementsAre("a"));
}

TEST(LoadInstance, ComesWhenItIsAskedForWithWhatItRefersTo) {
    const Folder folder;
    folder.write("lib/tty@.toml",
                 "[unit]\ndefault-instance = \"7\"\nrequires = [\"dev@%i\"]\n[target]\n");
    folder.write("lib/dev@.toml", "[target]\n");
    UnitSet set = folder.load();
    EXPECT_THAT(names(set), IsEmpty());
    ASSERT_TRUE(load_instance(set, folder.options(), "tty@3"));
    EXPECT_THAT(names(set), ElementsAre("dev@3", "tty@3"));
    EXPECT_EQ(load_instance(set, folder.options(), "tty@")->name, "tty@7");
    EXPECT_FALSE(load_instance(set, folder.options(), "other@1"));
    EXPECT_FALSE(load_instance(set, folder.options(), "../x"));
    EXPECT_THAT(set.problems, IsEmpty());
}

TEST(LoadInstance, OneThatClosesALoopIsBadAndTakesNobodyAlong) {
    const Folder folder;
    folder.write("lib/a.toml", "[unit]\nafter = [\"b\"]\naliases = [\"z\"]\n[target]\n");
    folder.write("lib/b.toml", "[unit]\nafter = [\"c\"]\n[target]\n");
    folder.write("lib/t@.toml", "[unit]\naliases = [\"c\"]\nafter = [\"a\"]\n[target]\n");
    UnitSet set = folder.load();
    EXPECT_FALSE(load_instance(set, folder.options(), "t@1"));
    EXPECT_THAT(names(set), ElementsAre("a", "b"));
    EXPECT_TRUE(set.bad.contains("t@1"));
    EXPECT_EQ(set.find("z")->name, "a");
    EXPECT_FALSE(set.problems.empty());
}

}  // namespace
}  // namespace reeve::units

namespace reeve::units {
namespace {

TEST(SystemUnits, AreGoodAsTheyAreShipped) {
    LoadOptions options;
    options.folders = {SOURCE_ROOT "/units/system"};
    const UnitSet set = load(options);
    for (const auto& problem : set.problems) ADD_FAILURE() << to_string(problem);
    for (const auto* name : {"basic", "default", "network", "shutdown", "sysinit"}) {
        EXPECT_EQ(set.find(name)->kind, Kind::target);
        EXPECT_EQ(set.find(std::string{name} + ".target"), set.find(name));
    }
    EXPECT_EQ(set.find("multi-user.target")->name, "default");
}

}  // namespace
}  // namespace reeve::units
