#include "daemon/os/cgroup_place.hpp"

#include <gtest/gtest.h>

#include <set>

namespace reeve::os {
namespace {

constexpr const char* pure =
    "24 30 0:22 / /proc rw - proc proc rw\n"
    "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* hybrid =
    "30 23 0:27 / /sys/fs/cgroup/unified rw shared:10 master:2 - cgroup2 cgroup2 rw\n"
    "31 23 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
constexpr const char* bound = "29 23 0:26 /docker/ab /sys/fs/cg\\040roup rw - cgroup2 cgroup rw\n";

struct Case {
    const char* name;
    const char* mounts;
    const char* own;
    const char* folder;  // nullptr: none
    const char* path;
};

class OwnCgroup : public ::testing::TestWithParam<Case> {};

TEST_P(OwnCgroup, IsFound) {
    const Case& c = GetParam();
    const auto place = own_cgroup(c.mounts, c.own);
    ASSERT_EQ(place.has_value(), c.folder != nullptr);
    if (!place) return;
    EXPECT_EQ(place->folder, c.folder);
    EXPECT_EQ(place->path, c.path);
}

INSTANTIATE_TEST_SUITE_P(
    Places, OwnCgroup,
    ::testing::Values(
        Case{"pure", pure, "0::/system.slice/reeve.service\n",
             "/sys/fs/cgroup/system.slice/reeve.service", "/system.slice/reeve.service"},
        Case{"root", pure, "0::/\n", "/sys/fs/cgroup", ""},
        Case{"hybrid", hybrid, "9:name=systemd:/\n4:memory:/x\n0::/\n", "/sys/fs/cgroup/unified",
             ""},
        Case{"bound", bound, "0::/docker/ab/c\n", "/sys/fs/cg roup/c", "/docker/ab/c"},
        Case{"outside_of_the_mount", bound, "0::/docker/abc\n", nullptr, nullptr},
        Case{"outside_of_the_namespace", pure, "0::/../x\n", nullptr, nullptr},
        Case{"only_v1", "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "1:cpu:/\n",
             nullptr, nullptr},
        Case{"nothing", "", "", nullptr, nullptr}),
    [](const auto& each) { return std::string{each.param.name}; });

TEST(CgroupName, KeepsPlainNamesAndTellsAllOthersApart) {
    EXPECT_EQ(escape_cgroup_name("getty@tty1"), "getty@tty1");
    EXPECT_EQ(escape_cgroup_name("web.socket"), "web.socket");
    EXPECT_EQ(escape_cgroup_name(".hidden"), "\\x2ehidden");
    EXPECT_EQ(escape_cgroup_name("a/b"), "a\\x2fb");
    const std::string longer(300, 'x');
    const std::set<std::string> names{
        escape_cgroup_name(""),     escape_cgroup_name("_"),          escape_cgroup_name("__"),
        escape_cgroup_name(".."),   escape_cgroup_name("a\\x2fb"),    escape_cgroup_name("a/b"),
        escape_cgroup_name(longer), escape_cgroup_name(longer + "y"), escape_cgroup_name("温度")};
    EXPECT_EQ(names.size(), 9U);
    for (const auto& name : names) {
        EXPECT_LT(name.size(), 230U);
        EXPECT_EQ(name.find('/'), std::string::npos);
    }
}

}  // namespace
}  // namespace reeve::os
