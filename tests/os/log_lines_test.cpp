#include "daemon/os/log_lines.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace reeve::os {
namespace {

// Feeds pieces as a ring would give them and remembers the lines.
class Bench {
public:
    void piece(LogStream stream, std::string_view bytes, bool fresh = true, std::uint64_t run = 1) {
        LogPiece piece;
        piece.time = ++time_;
        piece.run = run;
        piece.length = static_cast<std::uint32_t>(bytes.size());
        piece.offset = std::exchange(taken_, taken_ + bytes.size());
        piece.stream = stream;
        piece.fresh = fresh;
        lines_.feed(piece, 0, bytes, dropped, emit_);
    }
    void gap() { dropped += lines_.gap(); }
    std::vector<std::string> seen;
    std::vector<std::uint64_t> times, runs;
    std::uint64_t dropped = 0;

private:
    LineAssembler lines_;
    std::uint64_t time_ = 0, taken_ = 0;
    LineAssembler::Emit emit_ = [this](const LogLine& line) {
        seen.emplace_back(line.text);
        times.push_back(line.time);
        runs.push_back(line.run);
    };
};

using Lines = std::vector<std::string>;
constexpr auto out = LogStream::out;
constexpr auto err = LogStream::err;

TEST(LineAssembler, CutsPiecesIntoLines) {
    Bench b;
    b.piece(out, "one\n\ntwo\nthr");
    EXPECT_EQ(b.seen, (Lines{"one", "", "two"}));
    b.piece(out, "ee\n", false);
    EXPECT_EQ(b.seen.back(), "three");
    EXPECT_EQ(b.times.back(), 1U) << "a line has the time of its first byte";
}

TEST(LineAssembler, KeepsTheTwoStreamsApart) {
    Bench b;
    b.piece(out, "abc");
    b.piece(err, "bad\n");
    b.piece(out, "def\n", false);
    EXPECT_EQ(b.seen, (Lines{"bad", "abcdef"}));
}

TEST(LineAssembler, ARunThatEndsWithoutANewlineEndsItsLine) {
    Bench b;
    b.piece(out, "half");
    b.piece(out, "", true, 1);  // the end of the run
    EXPECT_EQ(b.seen, (Lines{"half"}));
    b.piece(out, "cut");
    b.piece(out, "next\n", true, 2);
    EXPECT_EQ(b.seen, (Lines{"half", "cut", "next"}));
    EXPECT_EQ(b.runs, (std::vector<std::uint64_t>{1, 1, 2}));
}

TEST(LineAssembler, AfterAGapOnlyWholeLinesComeAndTheRestIsCounted) {
    Bench b;
    b.piece(out, "lost with what follows");
    b.gap();
    EXPECT_EQ(b.dropped, 22U);
    b.piece(out, "tail of a line\nwhole\n", false);
    EXPECT_EQ(b.seen, (Lines{"whole"}));
    EXPECT_EQ(b.dropped, 22U + 15U);
}

TEST(LineAssembler, AfterAGapAPieceThatBeginsALineLosesNothing) {
    Bench b;
    b.gap();
    b.piece(err, "fatal: disk on fire\n", true);
    EXPECT_EQ(b.seen, (Lines{"fatal: disk on fire"}));
    EXPECT_EQ(b.dropped, 0U);
}

TEST(LineAssembler, ALineThatIsTooLongComesInSeveral) {
    constexpr std::size_t longest = LineAssembler::longest;
    for (const std::size_t more : {std::size_t{0}, std::size_t{1}, longest, longest + 7}) {
        Bench b;
        b.piece(out, std::string(longest + more, 'x') + "\ny\n");
        std::size_t sum = 0;
        for (const auto& line : b.seen) sum += line.size();
        EXPECT_EQ(sum, longest + more + 1);
        EXPECT_EQ(b.seen.back(), "y");
        EXPECT_EQ(b.seen.size(), 1 + (longest + more + longest - 1) / longest) << more;
        for (const auto& line : b.seen) EXPECT_LE(line.size(), longest);
    }
}

TEST(LineAssembler, GivesTheSameLinesHoweverTheBytesAreCut) {
    const std::string text = "a\nbb\n\nccc\n" + std::string(9000, 'z') + "\nend\n";
    Bench whole;
    whole.piece(out, text);
    for (const std::size_t cut : {1U, 2U, 3U, 7U, 4096U, 8191U, 8192U, 8193U}) {
        Bench pieces;
        for (std::size_t i = 0; i < text.size(); i += cut)
            pieces.piece(out, std::string_view{text}.substr(i, cut), i == 0 || text[i - 1] == '\n');
        EXPECT_EQ(pieces.seen, whole.seen) << "cut every " << cut;
    }
}

TEST(LogTime, IsIsoInUtcWithMicroseconds) {
    EXPECT_EQ(log_time(1795256420'123456), "2026-11-21T10:20:20.123456Z");
    EXPECT_EQ(log_time(0), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(log_time(1795256421'000007), "2026-11-21T10:20:21.000007Z");
}

}  // namespace
}  // namespace reeve::os
