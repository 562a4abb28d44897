#include "daemon/os/main_finder.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <set>

#include "daemon/os/process_stat.hpp"
#include "tests/os/support/hung_mount.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

namespace fs = std::filesystem;

constexpr core::UnitId unit{3};
constexpr core::RunId run{9};

// A process that sleeps until it is killed.
class Sleeper {
public:
    Sleeper() : pid_{::fork()} {
        if (pid_ == 0)
            for (;;) ::pause();
    }
    ~Sleeper() { end(); }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    void become_zombie() const {
        ::kill(pid_, SIGKILL);
        siginfo_t ignored;
        ::waitid(P_PID, static_cast<id_t>(pid_), &ignored, WEXITED | WNOWAIT);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string text() const { return std::to_string(pid_) + "\n"; }

private:
    pid_t pid_;
};

class MainFinderTest : public testing::Test {
protected:
    void begin(const std::string& pid_file) {
        finder.begin({unit, run, pid_file,
                      [this] { return std::vector<pid_t>(ours.begin(), ours.end()); },
                      [this](pid_t pid) { return ours.contains(pid); }});
    }
    bool found_is(pid_t pid) {
        return run_until(loop, [&] { return found == pid; });
    }
    bool waits_because(std::string_view part) {
        return run_until(loop, [&] { return found == 0 && why.find(part) != why.npos; });
    }

    Loop loop;
    Folder folder;
    std::set<pid_t> ours;
    pid_t found = 0;
    std::string why;
    int calls = 0;
    MainFinder finder{loop,
                      [this](core::UnitId u, core::RunId r, pid_t pid, std::string_view text) {
                          EXPECT_EQ(u, unit);
                          EXPECT_EQ(r, run);
                          found = pid;
                          why = text;
                          ++calls;
                      }};
};

// ── with a PID file: the twelve cases ──────────────────────────────────────────────────────────

class Trap04PidFile : public MainFinderTest {
protected:
    Trap04PidFile() { ours.insert(main.pid()); }
    Sleeper main, foreign;
    std::string file = folder / "run/d.pid";
    void make_folder() { fs::create_directory(folder / "run"); }
    // Whatever the case was: the right number written at last is found.
    void recovers() {
        EXPECT_EQ(found, 0);
        write_file(folder / "run/.new", main.text());
        fs::rename(folder / "run/.new", file);
        EXPECT_TRUE(found_is(main.pid()));
    }
};

TEST_F(Trap04PidFile, ThereAlready) {
    make_folder();
    write_file(file, main.text());
    begin(file);
    EXPECT_EQ(calls, 0) << "not from within begin()";
    EXPECT_TRUE(found_is(main.pid()));
    EXPECT_EQ(calls, 1);
}

TEST_F(Trap04PidFile, Absent) {
    make_folder();
    begin(file);
    EXPECT_TRUE(waits_because("does not exist"));
    recovers();
}

TEST_F(Trap04PidFile, ItsFolderComesLater) {
    begin(file);
    EXPECT_TRUE(waits_because("does not exist"));
    make_folder();
    settle(loop);
    recovers();
}

TEST_F(Trap04PidFile, EmptyThenWritten) {
    make_folder();
    write_file(file, "");
    begin(file);
    EXPECT_TRUE(waits_because("is empty"));
    write_file(file, main.text());
    EXPECT_TRUE(found_is(main.pid()));
}

TEST_F(Trap04PidFile, WrittenInTwoSteps) {
    make_folder();
    const std::string text = main.text();
    std::ofstream slow{file};
    begin(file);
    EXPECT_TRUE(waits_because("is empty"));
    slow << text.substr(0, 1) << std::flush;
    settle(loop);
    EXPECT_EQ(found, 0);
    slow << text.substr(1) << std::flush;
    EXPECT_TRUE(found_is(main.pid()));
}

TEST_F(Trap04PidFile, StaleOfADeadProcess) {
    make_folder();
    Sleeper old;
    write_file(file, old.text());
    old.end();
    begin(file);
    EXPECT_TRUE(waits_because("does not run"));
    recovers();
}

TEST_F(Trap04PidFile, NamesAZombie) {
    make_folder();
    const Sleeper old;
    ours.insert(old.pid());
    write_file(file, old.text());
    old.become_zombie();
    begin(file);
    EXPECT_TRUE(waits_because("does not run"));
    recovers();
}

TEST_F(Trap04PidFile, NamesAForeignProcess) {
    make_folder();
    write_file(file, foreign.text());
    begin(file);
    EXPECT_TRUE(waits_because("is not of this unit"));
    recovers();
    EXPECT_EQ(::kill(foreign.pid(), 0), 0) << "nobody touched it";
}

TEST_F(Trap04PidFile, NamesAProcessThatJoinsTheUnitLater) {
    make_folder();
    write_file(file, foreign.text());
    begin(file);
    EXPECT_TRUE(waits_because("is not of this unit"));
    ours.insert(foreign.pid());
    finder.look_again(unit);
    EXPECT_TRUE(found_is(foreign.pid()));
}

TEST_F(Trap04PidFile, HoldsNoNumber) {
    make_folder();
    for (const char* text : {"abc\n", "-5\n", "0\n", "99999999999999\n", "12 34\n", "\n17\n"}) {
        write_file(file, text);
        begin(file);
        EXPECT_TRUE(run_until(loop, [&] {
            return why.find("holds no process number") != why.npos ||
                   why.find("is empty") != why.npos;
        })) << text;
        EXPECT_EQ(found, 0);
        why.clear();
        finder.cancel(unit);
    }
    begin(file);
    recovers();
}

TEST_F(Trap04PidFile, ASymbolicLinkIsFollowedButBelievedNoMore) {
    make_folder();
    fs::create_directory(folder / "elsewhere");
    write_file(folder / "elsewhere/pid", foreign.text());
    fs::create_symlink(folder / "elsewhere/pid", file);
    begin(file);
    EXPECT_TRUE(waits_because("is not of this unit"));
    write_file(folder / "elsewhere/pid", main.text());
    EXPECT_TRUE(found_is(main.pid())) << "a change behind the link is seen";
}

TEST_F(Trap04PidFile, IsAFifoOrAFolder) {
    make_folder();
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    begin(file);
    EXPECT_TRUE(waits_because("is no file"));
    fs::remove(file);
    fs::create_directory(file);
    fs::remove(file);
    recovers();
}

TEST_F(Trap04PidFile, LiesOnAMountThatHangs) {
    make_folder();
    HungMount mount{folder / "run"};
    if (!mount) GTEST_SKIP() << "cannot mount FUSE here";
    begin(file);
    finder.look_again(unit);
    settle(loop);
    EXPECT_EQ(calls, 0);
    finder.cancel(unit);
    begin(file);
    mount.end();
    EXPECT_TRUE(waits_because("does not exist"));
    recovers();
}

TEST_F(Trap04PidFile, MoreLinesAndSpacesAreAllowed) {
    make_folder();
    write_file(file, "  " + std::to_string(main.pid()) + " \r\n/var/lib/data\n5432\n");
    begin(file);
    EXPECT_TRUE(found_is(main.pid()));
}

TEST_F(Trap04PidFile, ACancelledSearchFindsNothing) {
    make_folder();
    begin(file);
    EXPECT_TRUE(waits_because("does not exist"));
    finder.cancel(unit);
    write_file(file, main.text());
    settle(loop);
    EXPECT_EQ(found, 0);
}

// ── without ────────────────────────────────────────────────────────────────────────────────────

TEST_F(MainFinderTest, TakesTheOnlyMember) {
    const Sleeper one;
    ours.insert(one.pid());
    begin("");
    EXPECT_TRUE(found_is(one.pid()));
}

TEST_F(MainFinderTest, TakesTheEldestOfSeveral) {
    const Sleeper first;
    // The clock of start times ticks every 10 ms; wait until it has.
    const auto start = read_process_stat(first.pid())->start_time;
    std::unique_ptr<Sleeper> second;
    do second = std::make_unique<Sleeper>();
    while (read_process_stat(second->pid())->start_time == start);
    ours = {first.pid(), second->pid()};
    begin("");
    EXPECT_TRUE(found_is(first.pid()));
}

TEST_F(MainFinderTest, PassesOverZombiesAndWaitsWhenNobodyIsLeft) {
    const Sleeper dead;
    dead.become_zombie();
    ours.insert(dead.pid());
    begin("");
    EXPECT_TRUE(waits_because("no process of the unit is left"));
    const Sleeper late;
    ours.insert(late.pid());
    finder.look_again(unit);
    EXPECT_EQ(found, late.pid());
}

TEST(ProcessStatTest, ReadsAProcessWhateverItCallsItself) {
    const auto stat = parse_process_stat(
        "42 (a) Z 1 ) S 7 42 42 0 -1 4194560 99 0 0 0 0 0 0 0 20 0 1 0 12345 2703360 88 18446");
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent, 7);
    EXPECT_EQ(stat->start_time, 12345U);
    for (const char* text : {"", "42", "42 (x", "42 (x)", "42 (x) S", "42 (x) S y"})
        EXPECT_FALSE(parse_process_stat(text)) << text;
    EXPECT_EQ(read_process_stat(::getpid())->parent, ::getppid());
    EXPECT_FALSE(read_process_stat(-1));
}

}  // namespace
}  // namespace reeve::os
