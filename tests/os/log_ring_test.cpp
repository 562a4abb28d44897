#include "daemon/os/log_ring.hpp"
#include "tests/os/support/pipe.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <random>
#include <string>
#include <thread>

namespace reeve::os {
namespace {

struct TextPipe : testing::Pipe {
    TextPipe() : Pipe{O_NONBLOCK} {}
    void put(std::string_view text) const {
        ASSERT_EQ(::write(write.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }
};

constexpr LogRing::Stamp stamp{1000, 7, LogStream::out};

// All that the cursor finds; `lost` grows by what was overwritten.
std::string read_all(const LogRing& ring, LogRing::Cursor& cursor, std::uint64_t& lost) {
    LogRing::Batch batch;
    std::string text;
    while (ring.read(cursor, batch, 1000)) {
        lost += batch.lost;
        text += batch.bytes;
    }
    return text;
}

// Byte number i of an endless text whose every 8 bytes say where they are.
std::string numbered(std::uint64_t from, std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        const std::uint64_t at = from + i;
        text[i] = static_cast<char>('0' + (at / 8 >> (at % 8 * 3)) % 8);
    }
    return text;
}

// What the kernel has allotted to the one ring of this process, in bytes.
std::uint64_t allotted() {
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;
        const auto target = std::filesystem::read_symlink(entry, gone).string();
        if (target.find("memfd:reeve-log") == target.npos) continue;
        struct stat now {};
        EXPECT_EQ(::stat(entry.path().c_str(), &now), 0);
        return static_cast<std::uint64_t>(now.st_blocks) * 512;
    }
    return 0;
}

TEST(LogRing, GivesBackWhatItTookWithItsStamp) {
    LogRing ring{16 << 10, 16 << 10};
    const TextPipe pipe;
    EXPECT_EQ(ring.take(pipe.read.get(), stamp), 0);
    pipe.put("hello\n");
    EXPECT_EQ(ring.take(pipe.read.get(), stamp), 6);
    pipe.put("wor");
    ring.take(pipe.read.get(), {2000, 7, LogStream::err});
    pipe.put("ld\n");
    ring.take(pipe.read.get(), {3000, 7, LogStream::err});

    LogRing::Batch batch;
    LogRing::Cursor cursor = ring.oldest();
    ASSERT_TRUE(ring.read(cursor, batch, 8));
    EXPECT_EQ(batch.bytes, "hello\nwo");
    ASSERT_EQ(batch.parts.size(), 2U);
    EXPECT_EQ(batch.parts[0].piece.time, 1000U);
    EXPECT_EQ(batch.parts[0].piece.run, 7U);
    EXPECT_TRUE(batch.parts[0].piece.fresh);
    EXPECT_EQ(batch.parts[1].piece.stream, LogStream::err);
    EXPECT_TRUE(batch.parts[1].piece.fresh) << "the other stream begins a line of its own";
    EXPECT_EQ(batch.parts[1].size, 2U);
    ASSERT_TRUE(ring.read(cursor, batch, 8));
    EXPECT_EQ(batch.bytes, "rld\n");
    ASSERT_EQ(batch.parts.size(), 2U);
    EXPECT_EQ(batch.parts[0].within, 2U);
    EXPECT_FALSE(batch.parts[1].piece.fresh);
    EXPECT_FALSE(ring.read(cursor, batch, 8));
    EXPECT_EQ(ring.taken(), 12U);
}

TEST(LogRing, UsesOnePageBeforeBytesCome) {
    const LogRing ring{1 << 20, 1 << 20};
    EXPECT_EQ(ring.memory(), sizeof(RingHeader));
    EXPECT_EQ(allotted(), 4096U) << "which holds the header and the first pieces";
}

TEST(LogRing, KeepsTheNewestAndCountsExactlyWhatItLost) {
    std::mt19937 random{4711};
    for (const std::uint64_t span : {16U << 10, 64U << 10, 256U << 10}) {
        LogRing ring{16 << 10, span};
        const TextPipe pipe;
        LogRing::Cursor cursor = ring.oldest();
        std::uint64_t put = 0;
        std::uint64_t at = 0;
        std::uint64_t lost = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::size_t size = 1 + random() % 600;
            pipe.put(numbered(put, size));
            put += size;
            while (ring.take(pipe.read.get(), stamp) > 0) continue;
            if (random() % 300 != 0) continue;
            std::uint64_t gap = 0;
            const std::string text = read_all(ring, cursor, gap);
            ASSERT_TRUE(text == numbered(at + gap, text.size()))
                << "span " << span << " byte " << at;
            at += gap + text.size();
            ASSERT_EQ(at, put);
            lost += gap;
        }
        EXPECT_GT(lost, 0U);
        EXPECT_LE(ring.memory(), span + span / 2);
    }
}

TEST(LogRing, GivesMemoryBackWhenTheReaderHasCaughtUp) {
    LogRing ring{16 << 10, 256 << 10};
    const TextPipe pipe;
    std::uint64_t put = 0;
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 100; ++i) {
            pipe.put(numbered(put, 1500));
            put += 1500;
            while (ring.take(pipe.read.get(), stamp) > 0) continue;
        }
        EXPECT_TRUE(ring.has_backlog());
        LogRing::Cursor cursor = ring.oldest();
        std::uint64_t lost = 0;
        const std::string text = read_all(ring, cursor, lost);
        EXPECT_TRUE(text == numbered(put - text.size(), text.size()));
        ring.trim(cursor.piece);
        EXPECT_LE(ring.memory(), 48U << 10);
        EXPECT_LE(allotted(), 64U << 10);
        cursor = ring.oldest();
        const std::string kept = read_all(ring, cursor, lost);
        EXPECT_GE(kept.size(), 16U << 10) << "the window stays";
        EXPECT_TRUE(kept == numbered(put - kept.size(), kept.size()));
    }
}

TEST(LogRing, DoesNotGrowWhenItMayNot) {
    LogRing ring{1 << 20, 1 << 20};
    const TextPipe pipe;
    ring.set_growing(false);
    std::uint64_t put = 0;
    for (int i = 0; i < 1000; ++i, put += 2000) {
        pipe.put(numbered(put, 2000));
        while (ring.take(pipe.read.get(), stamp) > 0) continue;
    }
    EXPECT_LE(ring.memory(), 80U << 10) << "16 KiB, pages in the making, the index";
    EXPECT_LE(allotted(), 96U << 10);
    LogRing::Cursor cursor = ring.oldest();
    std::uint64_t lost = 0;
    const std::string text = read_all(ring, cursor, lost);
    EXPECT_TRUE(text == numbered(put - text.size(), text.size()));
    EXPECT_GE(text.size(), 8U << 10);
}

// The reader copies while the other thread overwrites what it copies.
TEST(LogRing, AReaderInAnotherThreadNeverSeesBytesThatWereOverwritten) {
    LogRing ring{16 << 10, 16 << 10};
    const TextPipe pipe;
    const std::uint64_t total = 30'000'000;
    std::atomic<bool> done{false};
    std::thread filler{[&] {
        for (std::uint64_t put = 0; put < total;) {
            const std::size_t size = 1 + put % 4000;
            pipe.put(numbered(put, size));
            put += size;
            while (ring.take(pipe.read.get(), stamp) > 0) continue;
        }
        done = true;
    }};
    LogRing::Cursor cursor;
    std::uint64_t at = 0;
    std::uint64_t bad = 0;
    LogRing::Batch batch;
    while (!done || !ring.at_end(cursor)) {
        if (!ring.read(cursor, batch, 4096)) continue;
        at += batch.lost;
        if (batch.bytes != numbered(at, batch.bytes.size())) ++bad;
        at += batch.bytes.size();
    }
    filler.join();
    EXPECT_EQ(bad, 0U);
    EXPECT_EQ(at, ring.taken());
}

}  // namespace
}  // namespace reeve::os
