// From pieces of a ring to lines of text. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/os/log_ring.hpp"

namespace reeve::os {

struct LogLine {
    std::uint64_t time = 0;  // of its first byte, CLOCK_REALTIME in µs
    std::uint64_t run = 0;
    std::string_view text;  // without the newline; valid during the call
};

// Puts the lines of one unit together; stdout and stderr come in turns, a line at a time. What is
// left of lines after bytes were lost is lost with them, so that only whole lines come out.
class LineAssembler {
public:
    using Emit = std::function<void(const LogLine&)>;
    static constexpr std::size_t longest = 8192;  // a longer line comes in several

    // `bytes` are those of the piece from `within` on. `dropped` grows by the bytes that belong to
    // no line, because the start of theirs is missing; it does so before the next line is emitted.
    void feed(const LogPiece& piece, std::uint32_t within, std::string_view bytes,
              std::uint64_t& dropped, const Emit& emit);
    // All of a batch; `dropped` also by what was lost before it and in unfinished lines.
    void feed(const LogRing::Batch& batch, std::uint64_t& dropped, const Emit& emit);
    // Bytes are missing here. Returns the bytes of unfinished lines, which are dropped.
    std::uint64_t gap();
    // The unfinished lines come out as they are.
    void flush(const Emit& emit);

    // Where it stands, after all before `position` was fed: line, unfinished and in_step are set.
    void mark(LogMark& mark) const;
    // Goes on from a mark. The line of a stream whose beginning is `gone` counts as dropped.
    void resume(const LogMark& mark, LogStream stream, bool gone);

private:
    struct Partial {
        std::string text;
        std::uint64_t time = 0, run = 0;
        std::uint64_t skipped = 0;
        std::uint64_t offset = 0;  // where `text` begins; bytes before it were dealt with
        bool in_step = false;      // the next byte begins a line, or continues `text`
    };
    void finish(Partial& partial, const Emit& emit);

    Partial partials_[2];
};

// "2026-11-21T10:20:30.123456Z", 27 characters, UTC.
std::string log_time(std::uint64_t microseconds);
void append_log_time(std::string& to, std::uint64_t microseconds);
std::uint64_t log_clock();  // CLOCK_REALTIME now in µs

}  // namespace reeve::os
