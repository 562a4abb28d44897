// A unit whose files have not changed is not read again.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/units/support/folder.hpp"

namespace reeve::units {
namespace {

const std::string plain = "[service]\ncommand = [\"/bin/true\"]\n";

// When the files are old enough for their times to be trusted.
LoadOptions later(const Folder& folder) {
    using namespace std::chrono;
    LoadOptions options = folder.options();
    const auto now = system_clock::now() + hours{1};
    options.now = duration_cast<nanoseconds>(now.time_since_epoch()).count();
    return options;
}

// As the next load finds it: with what the one before has read.
UnitSet again(const Folder& folder, const UnitSet& before) {
    LoadOptions options = later(folder);
    for (const auto& [name, unit] : before.units) options.before.push_back(unit);
    return load(options);
}

TEST(Unchanged, IsTheSameUnitAgain) {
    const Folder folder;
    folder.write("etc/a.toml", plain);
    folder.write("lib/t@.toml", plain);
    folder.write("etc/default.toml", "[target]\n[unit]\nwants = [\"t@1\"]\n");
    const UnitSet first = load(later(folder));
    ASSERT_NE(first.find("a")->stamp, 0U);
    const UnitSet second = again(folder, first);
    EXPECT_EQ(second.find("a"), first.find("a"));
    EXPECT_EQ(second.find("t@1"), first.find("t@1"));
    EXPECT_TRUE(same_definition(*second.find("default"), *first.find("default")));
}

TEST(Unchanged, IsNotWhatHasOtherFilesOrOtherText) {
    const Folder folder;
    folder.write("lib/a.toml", plain);
    folder.write("lib/b.toml", plain);
    folder.write("lib/c.toml", plain);
    folder.write("lib/t@.toml", plain);
    folder.write("etc/default.toml", "[target]\n[unit]\nwants = [\"t@1\"]\n");
    const UnitSet first = load(later(folder));
    folder.write("etc/a.toml", plain);
    folder.write("lib/b.toml", "[service]\ncommand = [\"/bin/echo\"]\n");  // as long as before
    folder.write("run/c.toml.d/1.toml", "[unit]\ndescription = \"c\"\n");
    folder.write("lib/t@.toml.d/1.toml", "[unit]\ndescription = \"t\"\n");
    const UnitSet second = again(folder, first);
    EXPECT_EQ(second.find("a")->files.front(), folder.path("etc/a.toml"));
    EXPECT_EQ(second.find("b")->service->commands.front().argv.front(), "/bin/echo");
    EXPECT_EQ(second.find("c")->description, "c");
    EXPECT_EQ(second.find("t@1")->description, "t");
}

// Each of these means something else when other files change.
TEST(Unchanged, IsAskedAgainWhereOthersHaveASay) {
    const Folder folder;
    folder.write("etc/a.toml", plain);
    folder.write("etc/path.toml", "[service]\ncommand = [\"true\"]\n");
    folder.write("etc/default.toml", "[target]\n[unit]\nafter = [\"t@1\"]\n");
    const UnitSet set = load(later(folder));
    ASSERT_NE(set.find("a")->stamp, 0U);
    EXPECT_EQ(set.find("path")->stamp, 0U);
    EXPECT_EQ(set.find("default")->stamp, 0U);
}

TEST(Unchanged, AFileOfJustNowIsReadAgain) {
    const Folder folder;
    folder.write("etc/a.toml", plain);
    const UnitSet first = folder.load();
    folder.write("etc/a.toml", "[service]\ncommand = [\"/bin/echo\"]\n");
    EXPECT_EQ(again(folder, first).find("a")->service->commands.front().argv.front(), "/bin/echo");
}

TEST(Unchanged, AFolderThatCannotBeReadIsNamed) {
    const Folder folder;
    folder.write("etc/a.toml", plain);
    folder.link("etc/a.toml.d", folder.path("etc/a.toml.d"));
    const UnitSet set = folder.load();
    EXPECT_EQ(set.unreadable, std::vector<std::string>{folder.path("etc/a.toml.d")});
}

}  // namespace
}  // namespace reeve::units
