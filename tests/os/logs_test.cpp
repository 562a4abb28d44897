#include "daemon/os/logs.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <filesystem>
#include <thread>

#include "tests/os/support/log_bench.hpp"

namespace reeve::os {
namespace {

// ── what people read ───────────────────────────────────────────────────────────────────────────

TEST(Logs, GivesLinesWithTimeUnitAndRunInTheOrderTheyCame) {
    Loop loop;
    Logs logs{loop, {}};
    const auto a = logs.begin_run(web, "web", core::RunId{7}, {});
    const auto b = logs.begin_run(db, "db", core::RunId{8}, {});
    put(a.out, "listening\n");
    settle(loop);
    put(b.err, "warm\n");
    settle(loop);
    put(a.err, "oops\n");
    settle(loop);
    logs.note("unit web: starting -> up");
    const std::string text = contents(logs.read({}));
    EXPECT_EQ(timeless(text),
              "web[7] listening\ndb[8] warm\nweb[7] oops\nreeved unit web: starting -> up\n");
    EXPECT_EQ(timeless(contents(logs.read({.units = {web}, .lines = 1}))), "web[7] oops\n");
    EXPECT_EQ(timeless(contents(logs.read({.run = core::RunId{8}}))), "db[8] warm\n");
    EXPECT_EQ(timeless(contents(logs.read({.units = {Logs::own}}))),
              "reeved unit web: starting -> up\n");
}

TEST(Logs, EndOfRunTakesWhatIsStillInThePipes) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    put(pipes.out, "one\nlast words");
    logs.end_run(web);
    const auto again = logs.begin_run(web, "web", core::RunId{2}, {});
    put(again.out, "hello\n");
    logs.end_run(web);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[1] one\nweb[1] last words\nweb[2] hello\n");
    EXPECT_EQ(logs.stats().taken, 20U);
}

TEST(Logs, WhatALeftOverProcessPrintsIsStillTaken) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    const posix::Fd left{::dup(pipes.out)};
    logs.end_run(web);
    put(left.get(), "still here\n");
    ASSERT_TRUE(run_until(loop, [&] { return logs.stats().taken == 11; }));
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[1] still here\n");
}

TEST(Logs, OnePipeServesBothWhenStderrIsJoined) {
    Loop loop;
    Logs logs{loop, {}};
    units::LogSpec spec;
    spec.join_stderr = true;
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, spec);
    EXPECT_EQ(pipes.out, pipes.err);
    put(pipes.err, "x\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[1] x\n");
}

TEST(Logs, NothingIsLoggedForAUnitThatWantsNone) {
    Loop loop;
    Logs logs{loop, {}};
    units::LogSpec spec;
    spec.memory = false;
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, spec);
    EXPECT_EQ(pipes.out, -1);
    EXPECT_EQ(pipes.err, -1);
}

TEST(Logs, ASilentUnitHasNoRing) {
    Loop loop;
    Logs logs{loop, {}};
    logs.begin_run(web, "web", core::RunId{1}, to_file());
    settle(loop);
    logs.end_run(web);
    EXPECT_EQ(logs.stats().rings, 0U);
    EXPECT_EQ(logs.stats().ring_bytes, 0U);
}

TEST(Logs, ForgetDropsTheRing) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    put(pipes.out, "x\n");
    settle(loop);
    EXPECT_EQ(logs.stats().rings, 1U);
    logs.forget(web);
    EXPECT_EQ(logs.stats().rings, 0U);
    EXPECT_EQ(logs.stats().ring_bytes, 0U);
    EXPECT_EQ(contents(logs.read({})), "");
}

TEST(Logs, TheCopyIsSealedAndBeginsAtItsStart) {
    Loop loop;
    Logs logs{loop, {}};
    logs.note("x");
    const posix::Fd copy = logs.read({});
    EXPECT_EQ(::lseek(copy.get(), 0, SEEK_CUR), 0);
    EXPECT_LT(::write(copy.get(), "y", 1), 0);
    EXPECT_EQ(::fcntl(copy.get(), F_GET_SEALS),
              F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

TEST(Logs, NotesOfOtherThreadsArrive) {
    Loop loop;
    Logs logs{loop, {}};
    std::thread{[&] { logs.note("from a thread"); }}.join();
    ASSERT_TRUE(run_until(loop, [&] { return logs.stats().taken > 0; }));
    EXPECT_EQ(timeless(contents(logs.read({}))), "reeved from a thread\n");
}

TEST(Logs, TheSumOfAllRingsIsBounded) {
    Loop loop;
    Logs logs{loop, {.ring = 256 << 10, .total = 512 << 10}};
    const std::string line = std::string(99, 'x') + "\n";
    for (std::uint32_t unit = 1; unit <= 10; ++unit) {
        const auto pipes = logs.begin_run(core::UnitId{unit}, "u", core::RunId{unit}, {});
        for (int i = 0; i < 5000; ++i) {
            put(pipes.out, line);
            if (i % 500 == 0) settle(loop);
        }
        settle(loop);
    }
    EXPECT_TRUE(logs.stats().full);
    EXPECT_LE(logs.stats().ring_bytes, 1100U << 10);
    EXPECT_EQ(logs.stats().taken, 10U * 5000 * 100);
    for (std::uint32_t unit = 1; unit <= 10; ++unit)
        EXPECT_GE(contents(logs.read({.units = {core::UnitId{unit}}})).size(), 8U << 10);
}

// ── following ──────────────────────────────────────────────────────────────────────────────────

std::string read_now(const posix::Fd& fd) {
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    return contents(fd);
}

TEST(Logs, FollowingGetsWhatIsThereAndWhatComes) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    put(pipes.out, "one\ntwo\n");
    settle(loop);
    const posix::Fd all = logs.read({.follow = true});
    const posix::Fd last = logs.read({.units = {web}, .lines = 1, .follow = true});
    const auto more = logs.begin_run(db, "db", core::RunId{2}, {});
    put(more.out, "late\n");
    put(pipes.out, "thr");
    settle(loop);
    put(pipes.out, "ee\n");
    settle(loop);
    EXPECT_EQ(timeless(read_now(all)), "web[1] one\nweb[1] two\ndb[2] late\nweb[1] three\n");
    EXPECT_EQ(timeless(read_now(last)), "web[1] two\nweb[1] three\n");
}

// As one who followed another manager says where he was: lines of one write have one time.
TEST(Logs, WhoReadsOnGetsWhatCameSince) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    const auto more = logs.begin_run(db, "db", core::RunId{2}, {});
    put(more.out, "before\n");
    settle(loop);
    put(pipes.out, "one\nsame\nsame\nsame\ntwo\n");
    settle(loop);
    const std::string all = contents(logs.read({.units = {web}}));
    const std::string time = all.substr(0, all.find(' '));
    put(more.out, "after\n");
    settle(loop);
    const auto from = [&](std::uint64_t number, const std::string& text) {
        LogResume resume;
        resume.after["web"] = {number, api::sum_of_line(time + " web[1] " + text)};
        resume.since = time;
        return timeless(contents(logs.read({.resume = resume})));
    };
    EXPECT_EQ(from(1, "one"), "web[1] same\nweb[1] same\nweb[1] same\nweb[1] two\ndb[2] after\n");
    EXPECT_EQ(from(3, "same"), "web[1] same\nweb[1] two\ndb[2] after\n");
    EXPECT_EQ(from(0, "same"), "web[1] two\ndb[2] after\n") << "which it was is not known";
    EXPECT_EQ(from(5, "two"), "db[2] after\n");
    EXPECT_EQ(from(1, "gone").substr(0, 11), "web[1] one\n") << "the ring reaches less far";
}

TEST(Logs, AFollowerThatHasGoneIsForgotten) {
    Loop loop;
    Logs logs{loop, {}};
    posix::Fd reader = logs.read({.follow = true});
    settle(loop);
    EXPECT_EQ(logs.stats().followers, 1U);
    reader = {};
    ASSERT_TRUE(run_until(loop, [&] { return logs.stats().followers == 0; }));
}

TEST(Logs, AFollowerThatDoesNotReadIsDropped) {
    Loop loop;
    Logs logs{loop, {.patience = 0s}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    const posix::Fd reader = logs.read({.follow = true});
    const std::string line = std::string(999, 'x') + "\n";
    for (int i = 0; i < 500; ++i) {
        put(pipes.out, line);
        settle(loop);
    }
    EXPECT_EQ(logs.stats().followers, 0U);
    const std::string got = read_now(reader);
    EXPECT_GE(got.size(), 16'000U) << "what went into its pipe before stays readable";
}

TEST(Logs, ASlowFollowerIsToldWhatItMissed) {
    Loop loop;
    Logs logs{loop, {}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, {});
    const posix::Fd reader = logs.read({.follow = true});
    for (int i = 0; i < 3000; ++i) {
        put(pipes.out, std::to_string(1'000'000 + i) + std::string(92, 'x') + "\n");
        settle(loop);
    }
    std::string got;
    ASSERT_TRUE(run_until(loop, [&] {
        got += read_now(reader);
        return got.find("1002999x") != got.npos;
    }));
    EXPECT_NE(got.find(" bytes dropped --"), got.npos);
}

// ── files ──────────────────────────────────────────────────────────────────────────────────────

TEST(Logs, WritesLinesWithTheirTimeIntoTheFileOfTheUnit) {
    const Folder folder;
    Loop loop;
    {
        Logs logs{loop, {.directory = folder / "log"}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file());
        put(pipes.out, "one\n设备就绪\nhalf");
        settle(loop);
    }
    const std::string text = read_file(folder / "log/web/current");
    EXPECT_EQ(timeless(text), "one\n设备就绪\nhalf\n");
    struct stat now {};
    ASSERT_EQ(::stat((folder / "log/web/current").c_str(), &now), 0);
    EXPECT_EQ(now.st_mode & 0777, 0640U);
}

TEST(Logs, RotatesBySizeAndKeepsACount) {
    const Folder folder;
    Loop loop;
    const std::string line = std::string(71, 'x') + "\n";  // 100 bytes with its time
    {
        Logs logs{loop, {.directory = folder.path()}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file(10'000, 2));
        for (int i = 0; i < 1000; ++i) {
            put(pipes.out, line);
            if (i % 100 == 0) settle(loop);
        }
        settle(loop);
    }
    for (const char* name : {"web/current", "web/current.1", "web/current.2"}) {
        const auto size = std::filesystem::file_size(folder / name);
        EXPECT_LE(size, 10'000U) << name;
        EXPECT_GT(size, 0U) << name;
        EXPECT_EQ(size % 100, 0U) << "only whole lines in " << name;
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "web/current.3"));
}

TEST(Logs, ReopenLeavesAFileThatWasMovedAway) {
    const Folder folder;
    Loop loop;
    Logs logs{loop, {.directory = folder.path()}};
    const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file());
    const std::string file = folder / "web/current";
    put(pipes.out, "one\n");
    ASSERT_TRUE(run_until(loop, [&] { return timeless(read_file(file)) == "one\n"; }));
    std::filesystem::rename(file, folder / "moved");
    logs.reopen();
    put(pipes.out, "two\n");
    ASSERT_TRUE(run_until(loop, [&] { return timeless(read_file(file)) == "two\n"; }));
}

TEST(Logs, ABurstOfAHundredKilobytesLosesNothing) {
    const Folder folder;
    Loop loop;
    const std::string line = std::string(99, 'x') + "\n";
    {
        Logs logs{loop, {.directory = folder.path()}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file());
        for (int i = 0; i < 1000; ++i) {
            put(pipes.out, line);
            if (i % 500 == 499) settle(loop);
        }
        settle(loop);
        EXPECT_EQ(logs.stats().dropped, 0U);
    }
    EXPECT_EQ(std::filesystem::file_size(folder / "web/current"), 1000U * 128);
}

}  // namespace
}  // namespace reeve::os
