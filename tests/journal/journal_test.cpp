// The journal through kills, damage and want of memory: what is read is always a prefix of what was
// written, and never less than what was said to be stored.
#include "daemon/journal/journal.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "daemon/core/event_archive.hpp"
#include "daemon/journal/record.hpp"
#include "tests/journal/support/memory.hpp"

namespace reeve::journal {
namespace {

using namespace core;
using namespace std::chrono_literals;
using testing::Faults;
using testing::Memory;

Event event(int number) {
    switch (number % 3) {
        case 0: return EventRequest{{}, "event " + std::to_string(number), true};
        case 1: return Exited{{UnitId{1}, RunId{7}, 2}, {number, 0, false, false}, false, true};
        default: return TimePassed{};
    }
}

TimePoint at(int number) {
    return TimePoint{std::chrono::seconds{number}};
}

std::string text_of(const Entry& entry) {
    archive::Writer out;
    out(entry.sequence, entry.at, entry.event);
    return out.take();
}

// Appends `count` events; their sequence numbers count on from those before.
void append(Journal& journal, int count) {
    for (int i = 0; i < count; ++i) {
        const auto number = static_cast<int>(journal.last()) + 1;
        const auto appended = journal.append(event(number), at(number));
        ASSERT_EQ(appended.error, 0);
        ASSERT_EQ(appended.sequence, static_cast<std::uint64_t>(number));
    }
}

// A snapshot that has nothing in it, and some events.
Journal begin(const Memory& memory, int count) {
    Journal journal = memory.open();
    EXPECT_TRUE(journal.due(at(0)));
    EXPECT_EQ(journal.compact("first", {}, at(0)), 0);
    append(journal, count);
    return journal;
}

// Events first … last, each as it was appended.
void expect_events(const Recovered& found, int first, int last) {
    ASSERT_EQ(found.events.size(), static_cast<std::size_t>(last - first + 1));
    for (int number = first; number <= last; ++number) {
        const Entry wanted{static_cast<std::uint64_t>(number), at(number), event(number)};
        EXPECT_EQ(text_of(found.events.at(static_cast<std::size_t>(number - first))),
                  text_of(wanted));
    }
}

void expect(const Recovered& found, std::string_view snapshot, int first, int last) {
    ASSERT_TRUE(found.snapshot);
    EXPECT_EQ(*found.snapshot, snapshot);
    EXPECT_EQ(found.through, static_cast<std::uint64_t>(first - 1));
    expect_events(found, first, last);
}

TEST(Journal, GivesBackTheSnapshotAndTheEventsSince) {
    const Memory memory;
    Journal journal = begin(memory, 5);
    const auto found = memory.recover();
    expect(found, "first", 1, 5);
    EXPECT_FALSE(found.torn);
    EXPECT_EQ(found.end, journal.size());

    ASSERT_EQ(journal.compact("second", {}, at(6)), 0);
    append(journal, 2);
    expect(memory.recover(), "second", 6, 7);
}

TEST(Journal, GoesOnWhereThePredecessorStopped) {
    const Memory memory;
    for (int manager = 0; manager < 3; ++manager) {
        if (manager == 0) {
            begin(memory, 4);
            continue;
        }
        Journal journal = memory.open();
        EXPECT_FALSE(journal.behind());
        append(journal, 4);
    }
    expect(memory.recover(), "first", 1, 12);
}

TEST(Journal, BeginsBehindWithNothing) {
    const Memory memory;
    EXPECT_FALSE(memory.recover().snapshot);
    EXPECT_FALSE(memory.recover().torn);
    Journal journal = memory.open();
    EXPECT_TRUE(journal.behind());
    EXPECT_EQ(journal.append(event(1), at(1)).error, 0);  // it was said already
    EXPECT_FALSE(memory.recover().snapshot);
}

// Events that are queued, but that the engine has not handled when the snapshot is taken.
TEST(Journal, KeepsWhatIsNotInTheSnapshot) {
    const Memory memory;
    Journal journal = begin(memory, 5);
    const auto before = memory.recover();
    const std::span<const Entry> pending{before.events.data() + 3, 2};
    ASSERT_EQ(journal.compact("second", pending, at(5)), 0);
    append(journal, 1);
    expect(memory.recover(), "second", 4, 6);
}

TEST(Journal, ATornTailLeavesTheGoodPrefix) {
    const Memory memory;
    begin(memory, 6);
    const auto whole = memory.recover();
    std::vector<std::uint64_t> ends;  // of the snapshot and each event
    std::uint64_t end = record_overhead + whole.snapshot->size();
    ends.push_back(end);
    for (const Entry& entry : whole.events) {
        archive::Writer out;
        out(entry.at, entry.event);
        ends.push_back(end += record_overhead + out.take().size());
    }
    ASSERT_EQ(end, whole.end);
    for (std::uint64_t size = 0; size < whole.end; ++size) {
        const auto cut = memory.copy();
        cut->cut(size);
        const auto found = cut->recover();
        const auto good = std::ranges::upper_bound(ends, size) - ends.begin();
        EXPECT_EQ(found.snapshot.has_value(), good > 0) << size;
        EXPECT_EQ(found.end, good > 0 ? ends[static_cast<std::size_t>(good) - 1] : 0) << size;
        if (good > 0) expect(found, "first", 1, static_cast<int>(good) - 1);
        if (found.end == size) {
            EXPECT_FALSE(found.torn) << size;
        }
    }
}

// And what is appended next is followed by nothing of what was there.
TEST(Journal, AFlippedBitLeavesAPrefix) {
    const Memory memory;
    begin(memory, 7);
    const auto whole = memory.recover();
    for (std::uint64_t bit = 0; bit < whole.end * 8; ++bit) {
        const auto byte = bit / 8;
        const auto damaged = memory.copy();
        damaged->put(byte, static_cast<char>(memory.get(byte) ^ (1 << (bit % 8))));
        const auto found = damaged->recover();
        EXPECT_TRUE(found.torn) << bit;
        EXPECT_LE(found.end, byte);
        if (!found.snapshot) {
            EXPECT_TRUE(found.events.empty());
            EXPECT_TRUE(damaged->open().behind());
            continue;
        }
        const auto good = static_cast<int>(found.events.size());
        ASSERT_LT(good, 7);
        expect(found, "first", 1, good);
        Journal journal = damaged->open();
        append(journal, 1);
        const auto again = damaged->recover();
        expect(again, "first", 1, good + 1);
        EXPECT_FALSE(again.torn) << bit;
    }
}

// A manager that is killed at any moment of a compaction leaves the old state or the new one.
TEST(Journal, ACompactionCountsWholeOrNotAtAll) {
    const Memory memory;
    Journal journal = begin(memory, 5);
    const auto pending = memory.recover().events;
    int old = 0;
    int fresh = 0;
    const auto look = [&] {
        const auto found = memory.copy()->recover();
        EXPECT_FALSE(found.torn);
        if (found.snapshot == "first") {
            ++old;
            expect(found, "first", 1, 5);
        } else {
            ++fresh;
            expect(found, "the second one", 4, 5);
        }
    };
    {
        Faults faults;
        faults.before = look;
        faults.most = 3;
        ASSERT_EQ(journal.compact("the second one", std::span{pending}.subspan(3), at(5)), 0);
    }
    look();
    EXPECT_GT(old, 20);
    EXPECT_EQ(fresh, 2);  // before the hole is made over the old one, and after
    append(journal, 1);
    expect(memory.recover(), "the second one", 4, 6);
}

// And one that is killed while it appends has told, or not.
TEST(Journal, AnEventCountsWholeOrNotAtAll) {
    const Memory memory;
    Journal journal = begin(memory, 2);
    int looks = 0;
    Faults faults;
    faults.before = [&] {
        ++looks;
        expect(memory.copy()->recover(), "first", 1, 2);
    };
    faults.most = 5;
    append(journal, 1);
    faults.before = {};
    EXPECT_GT(looks, 5);
    expect(memory.recover(), "first", 1, 3);
}

class JournalOutOf : public ::testing::TestWithParam<int> {};

TEST_P(JournalOutOf, MemorySaysItOnceAndGoesOn) {
    const Memory memory;
    Journal journal = begin(memory, 3);
    {
        Faults faults;
        faults.fail = [] { return GetParam(); };
        EXPECT_EQ(journal.append(event(4), at(4)).error, GetParam());
        EXPECT_TRUE(journal.behind());
        EXPECT_TRUE(journal.due(at(4)));
        EXPECT_EQ(journal.compact("second", {}, at(4)), GetParam());
        EXPECT_FALSE(journal.due(at(4)));
        EXPECT_TRUE(journal.due(at(5)));
    }
    // There is room again, but what comes now would stand behind a gap.
    EXPECT_EQ(journal.append(event(5), at(5)).error, 0);
    EXPECT_TRUE(journal.behind());
    expect(memory.recover(), "first", 1, 3);

    ASSERT_EQ(journal.compact("third", {}, at(5)), 0);
    EXPECT_FALSE(journal.behind());
    append(journal, 2);
    expect(memory.recover(), "third", 6, 7);
}

INSTANTIATE_TEST_SUITE_P(Errno, JournalOutOf, ::testing::Values(ENOSPC, ENOMEM, EIO));

// Every single call fails once: an error means the old state, no error the new one.
TEST(Journal, OneFaultAnywhereInACompactionIsSurvived) {
    for (int bad = 0;; ++bad) {
        const Memory memory;
        Journal journal = begin(memory, 3);
        int calls = 0;
        int error = 0;
        {
            Faults faults;
            faults.most = 9;
            faults.fail = [&] { return calls++ == bad ? EIO : 0; };
            error = journal.compact("second", {}, at(3));
        }
        if (error != 0)
            expect(memory.recover(), "first", 1, 3);
        else
            expect(memory.recover(), "second", 4, 3);
        append(journal, 1);
        ASSERT_EQ(journal.compact("third", {}, at(3)), 0);
        append(journal, 1);
        expect(memory.recover(), "third", 5, 5);
        if (bad > calls) {
            EXPECT_EQ(error, 0);
            break;
        }
    }
}

TEST(Journal, InterruptedWritesAreTriedAgain) {
    const Memory memory;
    Journal journal = begin(memory, 1);
    int calls = 0;
    Faults faults;
    faults.most = 4;
    faults.fail = [&] { return calls++ % 2 == 0 ? EINTR : 0; };
    append(journal, 2);
    expect(memory.recover(), "first", 1, 3);
}

// By the kernel's own hand: a limit on the size of files, as a full tmpfs has one.
TEST(Journal, OutlivesALimitOfTheKernel) {
    const Memory memory;
    Journal journal = begin(memory, 0);
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{state::journal_at[1], old.rlim_max};
    ASSERT_EQ(journal.compact("second", {}, at(0)), 0);  // into the lower region
    const unsigned lower = memory.header().active;
    const rlimit tighter{state::journal_at[lower] + 4096, old.rlim_max};
    ASSERT_EQ(lower, 0U);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tighter), 0);
    int stored = 0;
    int error = 0;
    while (error == 0 && stored < 1'000) {
        error = journal.append(event(stored + 1), at(stored + 1)).error;
        if (error == 0) ++stored;
    }
    EXPECT_EQ(error, EFBIG);
    EXPECT_NE(journal.compact("third", {}, at(stored)), 0);
    const auto found = memory.recover();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    static_cast<void>(std::signal(SIGXFSZ, handler));
    EXPECT_TRUE(found.torn);
    expect(found, "second", 1, stored);
    ASSERT_EQ(journal.compact("third", {}, at(stored)), 0);
    append(journal, 3);
    expect(memory.recover(), "third", stored + 2, stored + 4);
}

// Less is there than was acted on: numbers are not given twice, and nothing stands behind a gap.
TEST(Journal, NeverGivesANumberTwice) {
    const Memory memory;
    begin(memory, 3);
    memory.header().progress = state::progress_of(10, 0);
    Journal journal = memory.open();
    EXPECT_TRUE(journal.behind());
    EXPECT_EQ(journal.append(event(11), at(11)).sequence, 11U);
    ASSERT_EQ(journal.compact("second", {}, at(11)), 0);
    append(journal, 1);
    expect(memory.recover(), "second", 12, 12);
}

TEST(Journal, RefusesAnotherVersionAndSaysWhich) {
    const Memory memory;
    begin(memory, 1);
    const auto why = [&] {
        try {
            static_cast<void>(memory.recover());
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{"nothing"};
    };
    memory.header().layout = 2;
    EXPECT_EQ(why(), "state: layout 2; this program reads 1");
    memory.header().layout = state::layout_version;
    memory.header().active = 2;
    EXPECT_EQ(why(), "state: there is no journal 2");
    memory.header().active = 1 - memory.header().active % 2;
    memory.header().magic = 0;
    EXPECT_EQ(why(), "state: not that of a manager");
}

// Behind the good ones; whole, by its checksum.
void put_record(const Memory& memory, std::uint64_t end, std::uint32_t kind, std::uint64_t sequence,
                const std::string& bytes) {
    const RecordHead head{static_cast<std::uint32_t>(bytes.size()), kind, sequence};
    const std::uint64_t sum = checksum(head, bytes);
    const auto put = [&](const auto* from, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i)
            memory.put(end++, reinterpret_cast<const char*>(from)[i]);
    };
    put(&head, sizeof head);
    put(bytes.data(), bytes.size());
    put(&sum, sizeof sum);
}

TEST(Journal, RefusesARecordOfAnotherKind) {
    for (const std::uint32_t kind : {snapshot_kind, event_kind + (1U << 16U)}) {
        const Memory memory;
        const Journal journal = begin(memory, 1);
        put_record(memory, journal.size(), kind, 2, "");
        EXPECT_THROW(static_cast<void>(memory.recover()), std::invalid_argument);
    }
}

// A region may still hold what it held before, where no hole could be made.
TEST(Journal, AnEventOutOfItsTurnIsNotRead) {
    archive::Writer out;
    out(at(1), event(1));
    const std::string bytes = out.take();
    for (const std::uint64_t sequence : {0U, 1U, 2U, 3U}) {
        const Memory memory;
        const Journal journal = begin(memory, 1);
        put_record(memory, journal.size(), event_kind, sequence, bytes);
        EXPECT_EQ(memory.recover().events.size(), sequence == 2 ? 2U : 1U);
        EXPECT_EQ(memory.recover().torn, sequence != 2);
    }
}

TEST(Journal, IsDueWhenTheEventsOutgrowTheSnapshot) {
    const Memory memory;
    Journal journal = begin(memory, 1);
    EXPECT_FALSE(journal.due(at(1)));
    while (journal.size() < 60'000) append(journal, 1);
    EXPECT_FALSE(journal.due(at(1)));
    while (journal.size() < 70'000) append(journal, 1);
    EXPECT_TRUE(journal.due(at(1)));
    ASSERT_EQ(journal.compact(std::string(200'000, 'x'), {}, at(1)), 0);
    while (journal.size() < 390'000) append(journal, 1);
    EXPECT_FALSE(journal.due(at(1)));
    while (journal.size() < 410'000) append(journal, 1);
    EXPECT_TRUE(journal.due(at(1)));
}

}  // namespace
}  // namespace reeve::journal
