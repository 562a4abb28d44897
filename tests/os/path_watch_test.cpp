#include "daemon/os/path_watch.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <vector>

#include "daemon/os/path_events.hpp"
#include "hal/posix/log.hpp"
#include "tests/os/support/hung_mount.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

namespace fs = std::filesystem;

std::size_t count_threads() {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{"/proc/self/task"}, fs::directory_iterator{}));
}

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

// More paths than there are threads for them.
TEST_F(PathWatchTest, AMountThatHangsHoldsUpItsOwnPathsAlone) {
    fs::create_directory(folder / "hung");
    HungMount mount{folder / "hung"};
    if (!mount) GTEST_SKIP() << "cannot mount FUSE here";
    fs::create_symlink("hung", folder / "link");
    const std::size_t threads = count_threads();
    std::vector<std::string> hung;
    for (int i = 0; i < 6; ++i) hung.push_back(folder / ("hung/" + std::to_string(i)));
    hung.push_back(folder / "link/x");
    for (const auto& path : hung) watch.add(path);
    const std::string other = folder / "other";
    watch.add(other);
    expect(other, false);
    write_file(other, "");
    expect(other, true);
    EXPECT_EQ(told.size(), 1U) << "the others hang";
    EXPECT_LE(count_threads(), threads + 4);

    watch.remove(hung.front());
    watch.add(hung.front());
    mount.end();
    for (const auto& path : hung) expect(path, false);
    write_file(hung.back(), "");
    expect(hung.back(), true);
}

TEST(PathEventsTest, ManyPathsShareTheWatchesOfTheirFolders) {
    Loop loop;
    const Folder folder;
    PathEvents events{loop};
    EXPECT_EQ(events.size(), 0U);
    std::vector<PathEvents::Watch> watches;
    std::size_t told = 0;
    for (int i = 0; i < 500; ++i)
        watches.push_back(
            events.watch(folder / std::to_string(i), false, [&] { return [&] { ++told; }; }));
    EXPECT_TRUE(run_until(loop, [&] { return told >= watches.size(); }));
    EXPECT_GE(events.size(), 1U);
    EXPECT_LE(events.size(), 5U);
    for (const auto watch : watches) events.unwatch(watch);
    EXPECT_EQ(events.size(), 0U);
}

TEST(PathEventsTest, ContentsAreWatchedOnDemand) {
    Loop loop;
    const Folder folder;
    PathEvents events{loop};
    // What was under way is done, and what followed from it.
    const auto pass_by = [&] {
        for (int i = 0; i < 3; ++i) {
            bool told = false;
            const auto last =
                events.watch(folder / "last", false, [&] { return [&] { told = true; }; });
            EXPECT_TRUE(run_until(loop, [&] { return told; }));
            events.unwatch(last);
        }
    };
    int plain = 0;
    int with = 0;
    write_file(folder / "file", "");
    events.watch(folder / "file", false, [&] { return [&] { ++plain; }; });
    int before = 0;
    for (int i = 0; i < 50 && (plain == 0 || plain != before); ++i) {
        before = plain;
        pass_by();
    }
    EXPECT_GT(before, 0);
    write_file(folder / "file", "x");
    pass_by();
    EXPECT_EQ(plain, before);
    const auto watch = events.watch(folder / "file", true, [&] { return [&] { ++with; }; });
    pass_by();
    const int looks = with;
    write_file(folder / "file", "y");
    EXPECT_TRUE(run_until(loop, [&] { return with > looks; }));
    events.unwatch(watch);
}

// A look that is not the last: what changes while it is under way is looked at again.
TEST(PathEventsTest, AChangeDuringALookIsNotLost) {
    Loop loop;
    const Folder folder;
    PathEvents events{loop};
    const std::string file = folder / "file";
    bool exists = false;
    int looks = 0;
    events.watch(file, false, [&] {
        const bool now = fs::exists(file);
        if (++looks == 1) write_file(file, "");
        return [&exists, now] { exists = now; };
    });
    EXPECT_TRUE(run_until(loop, [&] { return exists; }));
}

// False: this kernel gives a process no limit of its own. Of one thread only.
bool allow_no_watches() {
    if (::unshare(CLONE_NEWUSER) != 0) return false;
    std::ofstream limit{"/proc/sys/user/max_inotify_watches"};
    limit << 0 << std::flush;
    return limit.good();
}

// Asks thrice about a path while there are no watches; how often that was said.
int say_that_there_are_no_watches() {
    static std::atomic<int> said = 0;  // a walk's thread may be the last to speak
    Loop loop;
    PathEvents events{loop};
    log::set_sink([](log::Level, std::string_view line) {
        if (line.find("cannot watch /:") != line.npos) ++said;
    });
    for (int i = 0; i < 3; ++i) {
        int looks = 0;
        const auto watch = events.watch("/nowhere", false, [&] { return [&] { ++looks; }; });
        if (!run_until(loop, [&] { return looks >= 2; })) return -1;  // tried again, in silence
        events.unwatch(watch);
    }
    return said;
}

// A shortage that ends because nobody asks any more is over: the next one is said too.
TEST(PathEventsTest, EachShortageOfWatchesIsSaidOnce) {
    constexpr int cannot = 77;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(allow_no_watches() ? say_that_there_are_no_watches() : cannot);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == cannot) GTEST_SKIP() << "may not make a user namespace";
    EXPECT_EQ(WEXITSTATUS(status), 3);
}

}  // namespace
}  // namespace reeve::os
