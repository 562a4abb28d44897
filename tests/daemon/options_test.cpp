#include "daemon/options.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace reeve {
namespace {

TEST(Options, RootServesTheSystemByDefault) {
    const Options o = parse_options({}, true);
    EXPECT_TRUE(o.system);
    EXPECT_EQ(o.runtime_dir, "/run/reeve");
    EXPECT_EQ(o.socket, "/run/reeve/bus");
    EXPECT_EQ(o.unit_path,
              (std::vector<std::string>{"/etc/reeve/units", "/run/reeve/units",
                                        "/usr/local/lib/reeve/units", "/usr/lib/reeve/units"}));
    EXPECT_EQ(o.bus, "system");
}

TEST(Options, AUserIsServedBelowTheirOwnFolders) {
    ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    ::setenv("XDG_CONFIG_HOME", "/home/ada/.conf", 1);
    const Options o = parse_options({}, false);
    EXPECT_EQ(o.runtime_dir, "/run/user/7/reeve");
    EXPECT_EQ(o.unit_path.front(), "/home/ada/.conf/reeve/user");
    EXPECT_EQ(o.bus, "session");
}

TEST(Options, AUserWithoutARuntimeFolderIsToldWhatToDo) {
    ::unsetenv("XDG_RUNTIME_DIR");
    try {
        parse_options({}, false);
        FAIL() << "should have been refused";
    } catch (const UsageError& e) {
        EXPECT_NE(e.text.find("--runtime-dir"), std::string::npos) << e.text;
    }
}

TEST(Options, APathThatNoSocketTakesIsToldWithWhatToDo) {
    const std::string deep = "/tmp/" + std::string(100, 'd');
    try {
        parse_options({"--runtime-dir", deep}, true);
        FAIL() << "should have been refused";
    } catch (const UsageError& e) {
        EXPECT_NE(e.text.find(deep + "/bus, has 109 bytes, and Linux takes 107; give a shorter "
                                     "--runtime-dir, or --socket PATH"),
                  std::string::npos)
            << e.text;
    }
    EXPECT_EQ(parse_options({"--runtime-dir", deep, "--socket", "/tmp/s"}, true).socket, "/tmp/s");
}

TEST(Options, ASecondInstanceIsSelfContained) {
    const Options o = parse_options({"--runtime-dir=/tmp/r", "--unit-path", "/tmp/u"}, true);
    EXPECT_TRUE(o.private_runtime);
    EXPECT_EQ(o.bus, "none");
    EXPECT_EQ(o.log_directory, "/tmp/r/log");
    EXPECT_EQ(o.unit_path, std::vector<std::string>{"/tmp/u"});
    EXPECT_TRUE(o.settings_files.empty());
}

TEST(Options, AKeeperSaysHowToRecover) {
    EXPECT_EQ(parse_options({}, true).recover, Recover::go_on);
    EXPECT_EQ(parse_options({"--recover=rebuild"}, true).recover, Recover::rebuild);
    EXPECT_EQ(parse_options({"--recover", "last-good"}, true).recover, Recover::last_good);
    EXPECT_EQ(parse_options({"--recover=rescue"}, true).recover, Recover::rescue);
}

TEST(Options, AnUnknownOptionAndAMissingValueAreUsageErrors) {
    EXPECT_THROW(parse_options({"--frobnicate"}, true), UsageError);
    EXPECT_THROW(parse_options({"--target"}, true), UsageError);
    EXPECT_THROW(parse_options({"--recover=other"}, true), UsageError);
}

}  // namespace
}  // namespace reeve
