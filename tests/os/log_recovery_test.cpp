// A ring whose filler dies at every step of its work, over and over: the next one goes on over the
// same open file descriptions and nothing is missing or doubled.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "daemon/os/log_ring.hpp"
#include "hal/posix/crash_point.hpp"
#include "tests/os/support/pipe.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

posix::Fd again(int fd) {  // the same open file description, as the keeper holds it
    return posix::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
}

char byte_at(std::uint64_t at) {
    return static_cast<char>('0' + (at / 8 >> (at % 8 * 3)) % 8);
}

struct TextPipe : testing::Pipe {
    TextPipe() : Pipe{O_NONBLOCK} {}
    // Goes on with the numbered bytes of an endless text; how many went in.
    std::size_t put(std::uint64_t from, std::size_t size) const {
        std::string text(size, '\0');
        for (std::size_t i = 0; i < size; ++i) text[i] = byte_at(from + i);
        const ssize_t n = ::write(write.get(), text.data(), size);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
};

// Every byte the ring holds is where it belongs: were one lost or doubled, ever, it were not.
void expect_in_order(const LogRing& ring, const std::string& where) {
    LogRing::Batch batch;
    LogRing::Cursor cursor = ring.oldest();
    std::uint64_t at = cursor.position;
    while (ring.read(cursor, batch, 4096)) {
        ASSERT_EQ(batch.lost, 0U) << where;
        for (const char byte : batch.bytes) ASSERT_EQ(byte, byte_at(at++)) << where << " at " << at;
    }
    ASSERT_EQ(at, ring.taken()) << where;
}

using posix::CrashPoint;

// Death the next time this point is reached, or at the n-th of any.
struct Death {
    CrashPoint where;
};
std::optional<CrashPoint> wanted;
int countdown = 0;
std::set<CrashPoint> passed;

void die_here(CrashPoint where) {
    passed.insert(where);
    if (wanted == where || (countdown > 0 && --countdown == 0)) {
        wanted.reset();
        throw Death{where};
    }
}

std::string number(CrashPoint point) {
    return "point " + std::to_string(static_cast<int>(point));
}

class LogRecovery : public ::testing::Test {
protected:
    void SetUp() override {
        posix::at_crash_point = die_here;
        wanted.reset();
        passed.clear();
        countdown = 0;
    }
    void TearDown() override { posix::at_crash_point = nullptr; }
};

constexpr LogRing::Stamp out_stamp{1000, 7, LogStream::out};
constexpr LogRing::Stamp err_stamp{1000, 8, LogStream::err};

TEST_F(LogRecovery, GoesOnWhereItStoodAtEveryPoint) {
    std::mt19937 random{17};
    std::map<CrashPoint, int> deaths;
    for (const std::uint64_t span : {16U << 10, 64U << 10}) {
        const TextPipe pipe;
        auto ring = std::make_shared<LogRing>(16 << 10, span);
        const posix::Fd kept = again(ring->descriptor());
        std::uint64_t put = 0;
        for (int i = 0; i < (full_scale() ? 200'000 : 20'000); ++i) {
            put += pipe.put(put, 1 + random() % (random() % 4 == 0 ? 5000 : 90));
            countdown = static_cast<int>(1 + random() % 8);
            try {
                while (ring->take(pipe.read.get(), random() % 2 == 0 ? out_stamp : err_stamp) > 0)
                    continue;
                ring->trim(ring->oldest().piece + 400);
            } catch (const Death& death) {
                ++deaths[death.where];
                ring = LogRing::adopt(again(kept.get()), 5000);
                ASSERT_TRUE(ring) << number(death.where);
                if (i % 16 == 0) expect_in_order(*ring, number(death.where));
                if (HasFatalFailure()) return;
            }
        }
        countdown = 0;
        while (ring->take(pipe.read.get(), out_stamp) > 0) continue;
        EXPECT_EQ(ring->taken(), put);
        expect_in_order(*ring, "end");
    }
    for (const CrashPoint point :
         {CrashPoint::spliced, CrashPoint::ring_entered, CrashPoint::log_checkpoint,
          CrashPoint::log_wrapped, CrashPoint::log_source, CrashPoint::log_freeing})
        EXPECT_GT(deaths[point], 3) << number(point);
    EXPECT_EQ(deaths.size(), passed.size());
}

TEST_F(LogRecovery, EntersWhatWasTakenWithItsRunAndStreamAndTheTimeOfNow) {
    const TextPipe pipe;
    auto ring = std::make_shared<LogRing>(16 << 10, 16 << 10);
    const posix::Fd kept = again(ring->descriptor());
    ASSERT_EQ(::write(pipe.write.get(), "half", 4), 4);
    ring->take(pipe.read.get(), out_stamp);
    ASSERT_EQ(::write(pipe.write.get(), "oops\n", 5), 5);
    wanted = CrashPoint::spliced;
    EXPECT_THROW(ring->take(pipe.read.get(), err_stamp), Death);
    ring = LogRing::adopt(again(kept.get()), 5000);
    ASSERT_TRUE(ring);
    ASSERT_EQ(::write(pipe.write.get(), " line\n", 6), 6);
    ring->take(pipe.read.get(), out_stamp);

    LogRing::Cursor cursor = ring->oldest();
    LogRing::Batch batch;
    ASSERT_TRUE(ring->read(cursor, batch, 100));
    EXPECT_EQ(batch.bytes, "halfoops\n line\n");
    ASSERT_EQ(batch.parts.size(), 3U);
    EXPECT_EQ(batch.parts[0].piece.time, 1000U);
    EXPECT_EQ(batch.parts[1].piece.time, 5000U);
    EXPECT_EQ(batch.parts[1].piece.run, 8U);
    EXPECT_EQ(batch.parts[1].piece.stream, LogStream::err);
    EXPECT_TRUE(batch.parts[1].piece.fresh);
    EXPECT_FALSE(batch.parts[2].piece.fresh) << "it goes on with the line that was begun";
    ring->end_run(7, 6000);
    EXPECT_EQ(ring->taken(), 15U);
}

TEST_F(LogRecovery, TheEndOfARunIsNotEnteredTwice) {
    const TextPipe pipe;
    auto ring = std::make_shared<LogRing>(16 << 10, 16 << 10);
    const posix::Fd kept = again(ring->descriptor());
    ASSERT_EQ(::write(pipe.write.get(), "half", 4), 4);
    ring->take(pipe.read.get(), out_stamp);
    wanted = CrashPoint::ring_entered;
    EXPECT_THROW(ring->end_run(7, 1000), Death);
    ring = LogRing::adopt(again(kept.get()), 5000);
    ASSERT_TRUE(ring);
    ring->end_run(7, 5000);
    LogRing::Cursor cursor = ring->oldest();
    LogRing::Batch batch;
    ASSERT_TRUE(ring->read(cursor, batch, 100));
    EXPECT_EQ(batch.parts.size(), 2U);
}

// Both may be where the offset and the head differ without a byte taken.
TEST_F(LogRecovery, AnEmptyRingAndAFullRoundAreNoPieces) {
    LogRing fresh{16 << 10, 16 << 10};
    auto ring = LogRing::adopt(again(fresh.descriptor()), 5000);
    ASSERT_TRUE(ring);
    EXPECT_EQ(ring->taken(), 0U);
    const TextPipe pipe;
    for (std::uint64_t put = 0; put < 16U << 10;) {
        put += pipe.put(put, 4096);
        while (ring->take(pipe.read.get(), out_stamp) > 0) continue;
    }
    ring = LogRing::adopt(again(ring->descriptor()), 5000);
    ASSERT_TRUE(ring);
    EXPECT_EQ(ring->taken(), 16U << 10);
    expect_in_order(*ring, "a whole round");
}

TEST_F(LogRecovery, RefusesWhatIsNotARingOfThisVersion) {
    LogRing ring{16 << 10, 16 << 10};
    const TextPipe pipe;
    pipe.put(0, 1000);
    ring.take(pipe.read.get(), out_stamp);
    const auto adopt = [&] { return LogRing::adopt(again(ring.descriptor()), 1) != nullptr; };
    ASSERT_TRUE(adopt());
    const auto damage = [&](std::uint64_t where, std::uint64_t with) {
        std::uint64_t before = 0;
        const auto at = static_cast<off_t>(where);
        EXPECT_EQ(::pread(ring.descriptor(), &before, 8, at), 8);
        EXPECT_EQ(::pwrite(ring.descriptor(), &with, 8, at), 8);
        return before;
    };
    for (const std::uint64_t where : {offsetof(RingHeader, magic), offsetof(RingHeader, version),
                                      offsetof(RingHeader, window), offsetof(RingHeader, span)}) {
        const std::uint64_t before = damage(where, 12345);
        EXPECT_FALSE(adopt()) << where;
        damage(where, before);
        EXPECT_TRUE(adopt()) << where;
    }
    ASSERT_GE(::lseek(ring.descriptor(), 12, SEEK_SET), 0);
    EXPECT_FALSE(adopt()) << "an offset that no filler leaves behind";
    EXPECT_FALSE(LogRing::adopt(again(pipe.read.get()), 1)) << "a pipe";
    EXPECT_FALSE(LogRing::adopt(posix::Fd{::memfd_create("empty", MFD_CLOEXEC)}, 1));
}

}  // namespace
}  // namespace reeve::os
