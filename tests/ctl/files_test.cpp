// Unit files and log files, found and read without a manager.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ctl/failure.hpp"
#include "ctl/log_files.hpp"
#include "ctl/log_line.hpp"
#include "ctl/unit_files.hpp"

using namespace reeve::ctl;
namespace fs = std::filesystem;

namespace {

class Files : public testing::Test {
protected:
    Files() {
        std::string pattern = (fs::temp_directory_path() / "reevectl.XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }
    ~Files() override { fs::remove_all(folder_); }

    std::string write(const std::string& path, const std::string& text = "") {
        const fs::path whole = fs::path{folder_} / path;
        fs::create_directories(whole.parent_path());
        std::ofstream{whole} << text;
        return whole.string();
    }
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

private:
    std::string folder_;
};

}  // namespace

TEST_F(Files, TheFirstFileOnTheSearchPathWinsAndDropInsAreSortedByName) {
    const auto own = write("etc/web.toml");
    write("usr/web.toml");
    const auto late = write("usr/web.toml.d/90-late.toml");
    const auto early = write("etc/web.toml.d/10-early.toml");
    write("usr/web.toml.d/10-early.toml");  // hidden by the one in etc
    write("etc/web.toml.d/notes.txt");
    const auto files = search_unit_files({path("etc"), path("usr")}, "web");
    ASSERT_TRUE(files);
    EXPECT_EQ(files->paths, (std::vector{own, early, late}));
    EXPECT_FALSE(search_unit_files({path("etc"), path("usr")}, "db"));
}

TEST_F(Files, AnInstanceIsReadFromItsTemplate) {
    const auto own = write("etc/getty@.toml");
    const auto one = write("etc/getty@tty1.toml.d/50-a.toml");
    const auto all = write("etc/getty@.toml.d/60-b.toml");
    const auto files = search_unit_files({path("etc")}, "getty@tty1");
    ASSERT_TRUE(files);
    EXPECT_EQ(files->paths, (std::vector{own, all, one}));
}

TEST_F(Files, AreWrittenWholeOrNotAtAll) {
    const std::string target = path("etc/web.toml.d/50-enabled.toml");
    write_file(target, "[unit]\nenabled = true\n");
    write_file(target, "[unit]\nenabled = false\n");
    EXPECT_EQ(read_file(target), "[unit]\nenabled = false\n");
    std::size_t entries = 0;
    for (const auto& entry : fs::directory_iterator{path("etc/web.toml.d")}) {
        entries += entry.exists() ? 1 : 0;
    }
    EXPECT_EQ(entries, 1U);  // nothing half-written is left beside it
}

TEST_F(Files, ThatCannotBeWrittenAreNamed) {
    const std::string target = write("web.toml") + "/web.toml.d/50-enabled.toml";
    try {
        write_file(target, "[unit]\n");
        FAIL() << "a file is no folder";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code, code::failed);
        EXPECT_EQ(failure.what(), "cannot write " + target + ": Not a directory");
    }
}

TEST_F(Files, LogsOfSeveralUnitsAreSortedByTime) {
    write("log/a/current.1", "2026-11-21T10:00:01Z a[1] one\n");
    write("log/a/current", "2026-11-21T10:00:03Z a[2] three\n2026-11-21T10:00:05Z a[2] five\n");
    write("log/b/current", "2026-11-21T10:00:02Z b[7] two\n2026-11-21T10:00:04Z b[7] four");
    const std::string all = read_log_files(path("log"), {}, {});
    EXPECT_EQ(all,
              "2026-11-21T10:00:01Z a[1] one\n2026-11-21T10:00:02Z b[7] two\n"
              "2026-11-21T10:00:03Z a[2] three\n2026-11-21T10:00:04Z b[7] four\n"
              "2026-11-21T10:00:05Z a[2] five\n");
    EXPECT_EQ(read_log_files(path("log"), {"a"}, {.lines = 1, .run = 0}),
              "2026-11-21T10:00:05Z a[2] five\n");
    EXPECT_EQ(read_log_files(path("log"), {"a"}, {.lines = 0, .run = 1}),
              "2026-11-21T10:00:01Z a[1] one\n");
    EXPECT_THROW(read_log_files(path("log"), {"nobody"}, {}), Failure);
    EXPECT_THROW(read_log_files(path("log"), {"../a"}, {}), Failure);
}

TEST(LogLine, IsTakenApart) {
    const auto line = parse_log_line("2026-11-21T10:00:01.5Z web[12] hello [x] y");
    EXPECT_EQ(line.time, "2026-11-21T10:00:01.5Z");
    EXPECT_EQ(line.unit, "web");
    EXPECT_EQ(line.run, 12U);
    EXPECT_EQ(line.text, "hello [x] y");
    EXPECT_EQ(parse_log_line("no such [shape]").text, "no such [shape]");
    EXPECT_EQ(parse_log_line("").text, "");
    EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
}
