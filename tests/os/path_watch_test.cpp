#include "daemon/os/path_watch.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "daemon/os/path_events.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

namespace fs = std::filesystem;

class PathWatchTest : public testing::Test {
protected:
    // The path came to exist, or went, and that was told; once.
    void expect(const std::string& path, bool exists) {
        EXPECT_TRUE(run_until(loop, [&] { return told.contains(path) && told[path] == exists; }))
            << path << (exists ? " exists" : " does not exist") << ", but nobody was told";
    }

    Loop loop;
    Folder folder;
    std::map<std::string, bool> told;
    int times = 0;
    PathWatch watch{loop, [this](const std::string& path, bool exists) {
                        told[path] = exists;
                        ++times;
                    }};
};

TEST_F(PathWatchTest, TellsSoonAndOnEachChange) {
    const std::string path = folder / "file";
    watch.add(path);
    EXPECT_TRUE(told.empty()) << "not from within add()";
    expect(path, false);
    write_file(path, "x");
    expect(path, true);
    fs::remove(path);
    expect(path, false);
    fs::create_directory(path);
    expect(path, true);
    EXPECT_EQ(times, 4);
}

TEST_F(PathWatchTest, SeesFoldersComeAndGoOnTheWay) {
    const std::string path = folder / "a/b/c/file";
    watch.add(path);
    expect(path, false);
    for (int round = 0; round < 3; ++round) {
        fs::create_directories(folder / "a/b/c");
        write_file(path, "x");
        expect(path, true);
        fs::rename(folder / "a/b", folder / "a/away");
        expect(path, false);
        fs::rename(folder / "a/away", folder / "a/b");
        expect(path, true);
        fs::remove_all(folder / "a");
        expect(path, false);
    }
}

TEST_F(PathWatchTest, SeesATreeThatIsMovedIntoPlace) {
    const std::string path = folder / "live/data/file";
    watch.add(path);
    expect(path, false);
    fs::create_directories(folder / "new/data");
    write_file(folder / "new/data/file", "x");
    fs::rename(folder / "new", folder / "live");
    expect(path, true);
}

TEST_F(PathWatchTest, FollowsSymbolicLinks) {
    const std::string path = folder / "current/file";
    watch.add(path);
    fs::create_directories(folder / "one");
    fs::create_directories(folder / "two");
    fs::create_symlink("one", folder / "current");
    expect(path, false);
    write_file(folder / "one/file", "x");
    expect(path, true);
    fs::create_symlink("two", folder / "next");
    fs::rename(folder / "next", folder / "current");
    expect(path, false);
    write_file(folder / "two/../two/file", "x");
    expect(path, true);
}

TEST_F(PathWatchTest, ADanglingLinkDoesNotExistUntilItsTargetDoes) {
    const std::string path = folder / "link";
    fs::create_symlink(folder / "elsewhere/target", path);
    watch.add(path);
    expect(path, false);
    fs::create_directory(folder / "elsewhere");
    write_file(folder / "elsewhere/target", "");
    expect(path, true);
}

TEST_F(PathWatchTest, ALoopOfLinksDoesNotExist) {
    fs::create_symlink("b", folder / "a");
    fs::create_symlink("a", folder / "b");
    watch.add(folder / "a");
    expect(folder / "a", false);
}

TEST_F(PathWatchTest, IsCounted) {
    const std::string path = folder / "file";
    watch.add(path);
    watch.add(path);
    expect(path, false);
    settle(loop);
    EXPECT_EQ(times, 2) << "told for each add()";
    watch.remove(path);
    write_file(path, "");
    expect(path, true);
    watch.remove(path);
    fs::remove(path);
    settle(loop);
    EXPECT_TRUE(told[path]) << "nobody watches any more";
}

TEST_F(PathWatchTest, IsNotDisturbedByOthersInTheSameFolder) {
    watch.add(folder / "mine");
    expect(folder / "mine", false);
    for (int i = 0; i < 1000; ++i) write_file(folder / std::to_string(i), "x");
    settle(loop);
    EXPECT_EQ(times, 1);
}

// More events than the kernel keeps: IN_Q_OVERFLOW, and everything is looked at anew.
TEST_F(PathWatchTest, LosesNothingWhenTheQueueOverflows) {
    const std::string path = folder / "mine";
    watch.add(path);
    expect(path, false);
    const std::string others[] = {folder / "x", folder / "y"};
    write_file(others[0], "");
    for (int i = 0; i < 20'000; ++i)
        ASSERT_EQ(::rename(others[i % 2].c_str(), others[1 - i % 2].c_str()), 0);
    write_file(path, "");
    expect(path, true);
}

TEST_F(PathWatchTest, SeesAMountOverAFolderOnTheWay) {
    fs::create_directories(folder / "data");
    const std::string path = folder / "data/imu.conf";
    watch.add(path);
    expect(path, false);
    if (::mount("reeve-test", (folder / "data").c_str(), "tmpfs", 0, nullptr) != 0)
        GTEST_SKIP() << "needs the right to mount";
    settle(loop);
    write_file(path, "");
    expect(path, true);
    ::umount2((folder / "data").c_str(), MNT_DETACH);
    expect(path, false);
}

TEST(PathEventsTest, ManyPathsShareTheWatchesOfTheirFolders) {
    Loop loop;
    const Folder folder;
    PathEvents events{loop};
    std::vector<PathEvents::Watch> watches;
    for (int i = 0; i < 500; ++i)
        watches.push_back(events.watch(folder / std::to_string(i), false, [] {}));
    EXPECT_LE(events.size(), 5U);
    for (const auto watch : watches) events.unwatch(watch);
    EXPECT_EQ(events.size(), 0U);
}

TEST(PathEventsTest, ContentsAreWatchedOnDemand) {
    Loop loop;
    const Folder folder;
    PathEvents events{loop};
    int plain = 0;
    int with = 0;
    write_file(folder / "file", "");
    events.watch(folder / "file", false, [&] { ++plain; });
    settle(loop);
    const int before = plain;
    write_file(folder / "file", "x");
    settle(loop);
    EXPECT_EQ(plain, before);
    const auto watch = events.watch(folder / "file", true, [&] { ++with; });
    write_file(folder / "file", "y");
    EXPECT_TRUE(run_until(loop, [&] { return with > 0; }));
    events.unwatch(watch);
}

}  // namespace
}  // namespace reeve::os
