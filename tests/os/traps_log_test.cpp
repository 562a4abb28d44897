// Traps 15 and 16: nobody takes what is logged, or the disk does not.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "tests/os/support/log_bench.hpp"

namespace reeve::os {
namespace {

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
