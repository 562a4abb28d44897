#include "daemon/settings.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "units/load.hpp"

namespace reeve {
namespace {

class SettingsFile : public testing::Test {
protected:
    SettingsFile() { ::mkdtemp(folder_.data()); }
    ~SettingsFile() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) {
        std::filesystem::create_directories(folder_ + "/units");
        std::ofstream{folder_ + "/" + name} << text;
        return folder_ + "/" + name;
    }

    std::string folder_ = testing::TempDir() + "settings-XXXXXX";
    std::vector<units::Problem> problems_;
};

TEST_F(SettingsFile, LaterFilesWinKeyByKey) {
    const auto first = write("a.toml",
                             "[manager]\ntarget = \"board\"\nlog-level = \"warn\"\n"
                             "[shutdown]\njoin = \"3s\"\n[environment]\nLANG = \"zh_CN.UTF-8\"\n");
    const auto second =
        write("b.toml", "[manager]\nlog-level = \"debug\"\n[log]\nring = \"8KiB\"\n");
    const Settings settings = read_settings({first, second}, problems_);
    EXPECT_TRUE(problems_.empty());
    EXPECT_EQ(settings.target, "board");
    EXPECT_EQ(settings.log_level, "debug");
    EXPECT_EQ(settings.join_timeout, std::chrono::seconds{3});
    EXPECT_EQ(settings.log_ring, 8192U);
    EXPECT_EQ(settings.environment.at("LANG"), "zh_CN.UTF-8");
}

TEST_F(SettingsFile, EnvironmentMayNameFiles) {
    const auto locale = write("locale.conf", "LANG=C.UTF-8\n");
    const auto file = write("a.toml", "[environment]\nfiles = [\"" + locale + "\", \"/none\"]\n");
    EXPECT_EQ(read_settings({file}, problems_).environment.at("LANG"), "C.UTF-8");
    EXPECT_TRUE(problems_.empty());
}

TEST_F(SettingsFile, DefaultsOfServicesAreThoseOfAUnitFile) {
    const auto file = write("a.toml",
                            "[defaults]\nbackoff = { first = \"1s\" }\nlimits.nofile = 64\n"
                            "log = { to = [\"file\"] }\n");
    write("units/plain.toml", "[service]\ncommand = [\"/bin/true\"]\n");
    write("units/own.toml",
          "[service]\ncommand = [\"/bin/true\"]\nbackoff = { max = \"1min\" }\n"
          "limits.nofile = 128\n");
    units::LoadOptions options;
    options.folders = {folder_ + "/units"};
    options.defaults = read_settings({file}, problems_).defaults;
    ASSERT_TRUE(problems_.empty()) << to_string(problems_.front());
    const units::UnitSet set = units::load(options);
    ASSERT_EQ(set.units.size(), 2U);
    EXPECT_EQ(set.units.at("plain")->service->backoff->first, std::chrono::seconds{1});
    EXPECT_TRUE(set.units.at("plain")->log->file);
    EXPECT_EQ(set.units.at("own")->service->backoff->first, std::chrono::seconds{1});
    EXPECT_EQ(set.units.at("own")->service->backoff->max, std::chrono::minutes{1});
    EXPECT_EQ(set.units.at("own")->service->surroundings->nofile, 128U);
}

TEST_F(SettingsFile, ADefaultThatIsWrongIsToldWithItsPlaceAndNotUsed) {
    const auto file = write("a.toml", "[defaults]\nbackoff = { frist = \"1s\" }\nlimit = 3\n");
    EXPECT_TRUE(read_settings({file}, problems_).defaults.entries.empty());
    ASSERT_EQ(problems_.size(), 2U) << to_string(problems_.back());
    EXPECT_EQ(to_string(problems_[0]), file + ":3:1: defaults.limit: found 3, expected a table");
    EXPECT_EQ(to_string(problems_[1]), file +
                                           ":2:13: defaults.backoff.frist: unknown key; did you "
                                           "mean `backoff.first`?");
}

TEST_F(SettingsFile, EveryProblemIsToldWithItsPlace) {
    const auto file = write("a.toml",
                            "[manager]\ntargt = \"x\"\n[shutdown]\njoin = \"3 moons\"\n"
                            "[watchdog]\ndevice = \"/dev/watchdog\"\n");
    read_settings({file, "/none.toml"}, problems_);
    ASSERT_EQ(problems_.size(), 4U);
    EXPECT_EQ(to_string(problems_[0]),
              file + ":2:1: manager.targt: unknown key; did you mean `target`?");
    EXPECT_EQ(to_string(problems_[1]), file +
                                           ":4:1: shutdown.join: found \"3 moons\", expected a "
                                           "duration such as \"30s\"");
    EXPECT_EQ(to_string(problems_[2]), file + ":6:1: watchdog.device: not in this version");
    EXPECT_EQ(to_string(problems_[3]), "/none.toml: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace reeve
