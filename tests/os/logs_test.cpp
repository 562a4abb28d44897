#include "daemon/os/logs.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include "daemon/os/log_lines.hpp"
#include "daemon/os/log_ring.hpp"
#include "hal/posix/log.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

constexpr core::UnitId web{1};
constexpr core::UnitId db{2};

units::LogSpec to_file(std::uint64_t max_size = 1 << 20, std::uint32_t keep = 3) {
    units::LogSpec spec;
    spec.file = true;
    spec.max_size = max_size;
    spec.keep = keep;
    return spec;
}

void put(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        ASSERT_GT(n, 0);
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::string contents(const posix::Fd& fd) {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
}

// "2026-11-21T10:20:30.123456Z " at the start of a line, by its shape; its length is 28.
constexpr std::size_t time_length = 28;
bool begins_with_time(std::string_view line) {
    constexpr std::string_view shape = "0000-00-00T00:00:00.000000Z ";
    if (line.size() < shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool digit = line[i] >= '0' && line[i] <= '9';
        if (shape[i] == '0' ? !digit : line[i] != shape[i]) return false;
    }
    return true;
}

// Without the times, which every line must have: "web[7] text".
std::string timeless(const std::string& text) {
    std::string result;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        EXPECT_TRUE(begins_with_time(line)) << line;
        result += line.substr(std::min(time_length, line.size())) + "\n";
    }
    return result;
}

// Lines of our own that Logs wrote, while it lives.
class Told {
public:
    Told() {
        log::set_sink([this](log::Level, std::string_view line) { lines.emplace_back(line); });
    }
    ~Told() {
        log::set_sink([](log::Level, std::string_view) {});
    }
    [[nodiscard]] std::size_t count(std::string_view part) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            lines, [&](const auto& line) { return line.find(part) != line.npos; }));
    }
    std::vector<std::string> lines;
};

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

// ── what outlives Logs ─────────────────────────────────────────────────────────────────────────

// Holds what a keeper would, by name: "1 7 1" is unit, run, kind.
class Kept {
public:
    Logs::Options options(const std::string& directory = {}) {
        Logs::Options options{.directory = directory};
        options.keep = [this](core::UnitId unit, core::RunId run, init::Kind kind, int fd) {
            held[name(unit, run, kind)] = posix::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
        };
        options.drop = [this](core::UnitId unit, core::RunId run, init::Kind kind) {
            EXPECT_EQ(held.erase(name(unit, run, kind)), 1U) << name(unit, run, kind);
        };
        return options;
    }
    [[nodiscard]] posix::Fd give(const std::string& what) const {
        return posix::Fd{::fcntl(held.at(what).get(), F_DUPFD_CLOEXEC, 3)};
    }
    [[nodiscard]] std::string names() const {
        std::string all;
        for (const auto& [what, fd] : held) all += what + ", ";
        return all;
    }
    std::map<std::string, posix::Fd> held;

private:
    static std::string name(core::UnitId unit, core::RunId run, init::Kind kind) {
        return std::to_string(static_cast<std::uint32_t>(unit)) + " " +
               std::to_string(static_cast<std::uint64_t>(run)) + " " +
               std::to_string(static_cast<int>(kind));
    }
};

TEST(LogsKept, WhatComesAndGoesIsTold) {
    Kept kept;
    Loop loop;
    Logs logs{loop, kept.options()};
    auto pipes = logs.begin_run(web, "web", core::RunId{7}, {});
    EXPECT_EQ(kept.names(), "1 7 1, 1 7 2, ");
    put(pipes.out, "x\n");
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 1, 1 7 2, ");
    posix::Fd left{::dup(pipes.err)};
    logs.end_run(web);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 2, ") << "somebody still has its stderr";
    left = {};
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, ");
    logs.begin_run(web, "web", core::RunId{8}, {});
    logs.forget(web);
    EXPECT_EQ(kept.names(), "");
}

TEST(LogsKept, ARunInProgressGoesOnWithTheNextOne) {
    Kept kept;
    Loop loop;
    posix::Fd child;
    posix::Fd former;
    {
        Logs logs{loop, kept.options()};
        former = posix::Fd{::dup(logs.begin_run(web, "web", core::RunId{6}, {}).err)};
        logs.end_run(web);
        const auto pipes = logs.begin_run(web, "web", core::RunId{7}, {});
        child = posix::Fd{::dup(pipes.out)};
        put(child.get(), "one\ntw");
        settle(loop);
    }
    put(child.get(), "o\n");
    Logs logs{loop, kept.options()};
    ASSERT_TRUE(logs.adopt_ring(web, "web", {}, kept.give("1 0 3")));
    logs.adopt_pipe(web, "web", {}, core::RunId{6}, LogStream::err, kept.give("1 6 2"));
    logs.adopt_pipe(web, "web", {}, core::RunId{7}, LogStream::out, kept.give("1 7 1"));
    logs.adopt_pipe(web, "web", {}, core::RunId{7}, LogStream::err, kept.give("1 7 2"));
    logs.adopt_run(web, "web", core::RunId{7}, {});
    const auto pipes = logs.pipes(web);
    ASSERT_GE(pipes.out, 0);
    ASSERT_GE(pipes.err, 0);
    EXPECT_EQ(::fcntl(pipes.out, F_GETFL) & O_NONBLOCK, 0) << "as a child expects it";
    EXPECT_NE(::fcntl(pipes.out, F_GETFD) & FD_CLOEXEC, 0);
    settle(loop);
    put(former.get(), "late\n");
    settle(loop);
    put(pipes.err, "three\n");
    logs.end_run(web);
    EXPECT_EQ(timeless(contents(logs.read({}))),
              "web[7] one\nweb[7] two\nweb[6] late\nweb[7] three\n");
    EXPECT_EQ(kept.names(), "1 0 3, 1 6 2, 1 7 1, ") << "child and former are still open";
    child = {};
    former = {};
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, ");
}

// A program that closes its outputs ends nothing: what the run starts later has them.
TEST(LogsKept, APipeThatNobodyHoldsIsHeldForTheRun) {
    Kept kept;
    Loop loop;
    {
        Logs logs{loop, kept.options()};
        logs.begin_run(web, "web", core::RunId{7}, {});
    }
    const Told told;
    Logs logs{loop, kept.options()};
    for (const auto& [stream, name] :
         {std::pair{LogStream::out, "1 7 1"}, std::pair{LogStream::err, "1 7 2"}})
        logs.adopt_pipe(web, "web", {}, core::RunId{7}, stream, kept.give(name));
    logs.adopt_run(web, "web", core::RunId{7}, {});
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 1, 1 7 2, ");
    put(logs.pipes(web).err, "x\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[7] x\n");
    EXPECT_EQ(told.count("no stderr pipe"), 0U);
    logs.end_run(web);
    EXPECT_EQ(kept.names(), "1 0 3, ");
}

TEST(LogsKept, APipeThatWasNotKeptIsMadeAnewAndSaid) {
    Kept kept;
    Loop loop;
    const Told told;
    Logs logs{loop, kept.options()};
    logs.adopt_run(web, "web", core::RunId{7}, {});
    const auto pipes = logs.pipes(web);
    EXPECT_EQ(told.count("no stdout pipe of run 7"), 1U);
    EXPECT_EQ(kept.names(), "1 7 1, 1 7 2, ");
    put(pipes.out, "x\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[7] x\n");
}

TEST(LogsKept, ARingOfOtherSizesIsDropped) {
    Kept kept;
    Loop loop;
    {
        Logs logs{loop, kept.options()};
        put(logs.begin_run(web, "web", core::RunId{7}, {}).out, "x\n");
        settle(loop);
    }
    units::LogSpec larger;
    larger.ring = 64 << 10;
    Logs logs{loop, kept.options()};
    EXPECT_FALSE(logs.adopt_ring(web, "web", larger, kept.give("1 0 3")));
    EXPECT_EQ(kept.names().find("1 0 3"), std::string::npos);
    put(logs.begin_run(web, "web", core::RunId{8}, larger).out, "y\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[8] y\n");
    EXPECT_TRUE(kept.held.contains("1 0 3"));
}

// ── traps ──────────────────────────────────────────────────────────────────────────────────────

constexpr std::size_t record = 64;  // bytes of a line that the flooding children print

// A child that prints `count` records as fast as it can.
pid_t flood(int fd, std::uint64_t count) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    std::array<char, record * 64> block;
    block.fill('x');
    for (std::size_t i = record - 1; i < block.size(); i += record) block[i] = '\n';
    for (std::uint64_t i = 0; i < count; i += 64)
        for (std::size_t done = 0; done < block.size();) {
            const ssize_t n = ::write(fd, block.data() + done, block.size() - done);
            if (n <= 0) ::_exit(1);
            done += static_cast<std::size_t>(n);
        }
    ::_exit(0);
}

// Bytes that the lines and the gaps of a log file stand for; nullopt: it holds something else.
std::optional<std::uint64_t> accounted(const std::string& text, std::uint64_t& gaps) {
    constexpr std::string_view before = "-- ";
    constexpr std::string_view after = " bytes dropped --";
    std::uint64_t sum = 0;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (!begins_with_time(line)) return std::nullopt;
        line.erase(0, time_length);
        std::uint64_t bytes = record;
        if (line.starts_with(before) && line.ends_with(after)) {
            std::from_chars(line.data() + before.size(), line.data() + line.size(), bytes);
            ++gaps;
        } else if (line != std::string(record - 1, 'x')) {
            return std::nullopt;
        }
        sum += bytes;
    }
    return sum;
}

// 20 units print as fast as they can, and nobody takes what the writer writes: the files are FIFOs
// whose reader sleeps. No child waits for longer than the loop needs, and every byte is in a line
// or in a count.
TEST(Trap15LogBackPressure, ChildrenNeverBlockAndTheGapsAreExact) {
    const std::uint32_t units = full_scale() ? 20 : 6;
    const std::uint64_t records = (full_scale() ? 50'000'000 : 3'000'000) / record / 64 * 64;
    const Folder folder;
    Loop loop;
    std::vector<posix::Fd> readers;
    std::vector<pid_t> children;
    std::vector<std::string> texts(units);
    std::uint64_t dropped = 0;
    {
        Logs logs{loop, {.directory = folder.path()}};
        for (std::uint32_t i = 0; i < units; ++i) {
            const std::string name = "u" + std::to_string(i);
            std::filesystem::create_directory(folder / name);
            const std::string fifo = folder / name + "/current";
            ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
            readers.emplace_back(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
            const auto pipes = logs.begin_run(core::UnitId{i + 1}, name, core::RunId{1}, to_file());
            children.push_back(flood(pipes.out, records));
        }
        std::size_t alive = children.size();
        const auto ended = [&] {
            alive -= static_cast<std::size_t>(std::erase_if(children, [](pid_t pid) {
                int status = 0;
                return ::waitpid(pid, &status, WNOHANG) == pid && status == 0;
            }));
            return alive == 0;
        };
        ASSERT_TRUE(run_until(loop, ended, 100s)) << alive << " children still wait";
        for (std::uint32_t i = 0; i < units; ++i) logs.end_run(core::UnitId{i + 1});
        EXPECT_EQ(logs.stats().taken, units * records * record);
        EXPECT_LT(loop.stats().worst_dispatch, 500ms) << loop.stats().worst_what;
        const auto all_written = [&] {
            std::uint64_t sum = 0;
            for (std::uint32_t i = 0; i < units; ++i) {
                texts[i] += contents(readers[i]);
                std::uint64_t gaps = 0;
                sum += accounted(texts[i].substr(0, texts[i].rfind('\n') + 1), gaps).value_or(0);
            }
            return sum == units * records * record;
        };
        ASSERT_TRUE(run_until(loop, all_written, 60s));
        dropped = logs.stats().dropped;
    }
    std::uint64_t in_gaps = 0;
    for (std::uint32_t i = 0; i < units; ++i) {
        std::uint64_t gaps = 0;
        ASSERT_EQ(accounted(texts[i], gaps), records * record) << "unit " << i;
        EXPECT_GT(gaps, 0U);
        const auto lines = static_cast<std::uint64_t>(std::ranges::count(texts[i], '\n')) - gaps;
        in_gaps += (records - lines) * record;
    }
    EXPECT_EQ(dropped, in_gaps);
}

// The file system of the log fills up, and has room again later.
TEST(Trap16FullDisk, LoggingGoesOnTellsAndRecovers) {
    const Folder folder;
    if (::mount("reeve-test", folder.path().c_str(), "tmpfs", 0, "size=32k") != 0)
        GTEST_SKIP() << "needs the right to mount";
    const std::string ballast = folder / "ballast";
    Loop loop;
    const Told told;
    {
        Logs logs{loop, {.directory = folder.path()}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file(1 << 20));
        const std::string line = std::string(record - 1, 'x') + "\n";
        for (int i = 0; i < 2000; ++i) {  // four times what the disk holds
            put(pipes.out, line);
            settle(loop);
        }
        ASSERT_TRUE(run_until(loop, [&] { return logs.stats().file_errors > 2; }));
        EXPECT_EQ(told.count("cannot write"), 1U) << "once, not each time";
        EXPECT_EQ(told.count("No space left on device"), 1U);
        EXPECT_NE(contents(logs.read({.units = {web}, .lines = 1})).find("xxx"), std::string::npos);

        ASSERT_EQ(::mount("reeve-test", folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=4m"), 0);
        ASSERT_TRUE(run_until(
            loop, [&] { return told.count("is written again") == 1; }, 20s));
        put(pipes.out, line);
        settle(loop);
    }
    std::uint64_t gaps = 0;
    EXPECT_EQ(accounted(read_file(folder / "web/current"), gaps), 2001U * record)
        << "every byte is in the file or counted there";
    ::umount2(folder.path().c_str(), MNT_DETACH);
}

TEST(Trap16ReadOnlyDisk, LoggingGoesOnTellsAndRecovers) {
    const Folder folder;
    if (::mount("reeve-test", folder.path().c_str(), "tmpfs", MS_RDONLY, "size=1m") != 0)
        GTEST_SKIP() << "needs the right to mount";
    Loop loop;
    const Told told;
    {
        Logs logs{loop, {.directory = folder.path()}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file());
        put(pipes.out, "one\n");
        ASSERT_TRUE(run_until(loop, [&] { return told.count("Read-only file system") == 1; }));
        ASSERT_EQ(::mount("reeve-test", folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=1m"), 0);
        ASSERT_TRUE(run_until(
            loop, [&] { return told.count("is written again") == 1; }, 20s));
        put(pipes.out, "two\n");
        settle(loop);
    }
    EXPECT_EQ(timeless(read_file(folder / "web/current")), "one\ntwo\n");
    ::umount2(folder.path().c_str(), MNT_DETACH);
}

// The same for everybody: a limit of the file size, which also would kill by SIGXFSZ.
TEST(Trap16FileSizeLimit, LoggingGoesOnTellsAndRecovers) {
    const Folder folder;
    Loop loop;
    const Told told;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    {
        Logs logs{loop, {.directory = folder.path()}};
        const auto pipes = logs.begin_run(web, "web", core::RunId{1}, to_file());
        const std::string line = std::string(record - 1, 'x') + "\n";
        put(pipes.out, line);  // the ring exists before the limit: it is a file as well
        ASSERT_TRUE(run_until(loop, [&] { return logs.stats().taken > 0; }));
        const rlimit small{400 << 10, before.rlim_max};  // holds the ring, not the file
        ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
        for (int i = 0; i < 5000; ++i) {
            put(pipes.out, line);
            settle(loop);
        }
        const bool failed = run_until(loop, [&] { return told.count("File too large") == 1; });
        ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
        ASSERT_TRUE(failed);
        ASSERT_TRUE(run_until(
            loop, [&] { return told.count("is written again") == 1; }, 20s));
    }
    std::uint64_t gaps = 0;
    EXPECT_EQ(accounted(read_file(folder / "web/current"), gaps), 5001U * record);
}

}  // namespace
}  // namespace reeve::os
