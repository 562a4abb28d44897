// What one unit printed last: bytes in a memfd, filled from a pipe by splice, and beside them an
// index that says when, in which run and on which stream each piece came.
//
// One thread fills it. Any thread may read it at the same time and takes no lock: what is about to
// be overwritten is first declared gone (the tail moves), and a reader looks at the tail after it
// has copied.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hal/posix/fd.hpp"

namespace reeve::os {

enum class LogStream : std::uint8_t { out, err };

// One piece: what one splice took. A piece of length 0 says that the run is over.
struct LogPiece {
    std::uint64_t offset = 0;  // of its first byte, counted from the first byte ever taken
    std::uint64_t time = 0;    // CLOCK_REALTIME in µs, when it was taken
    std::uint64_t run = 0;
    std::uint32_t length = 0;
    LogStream stream{};
    bool fresh = false;  // it begins a line
    std::uint16_t reserved = 0;
};
static_assert(sizeof(LogPiece) == 32);

class LogRing {
public:
    // Keeps `window` bytes (at least `least`), and up to `span` while a reader is behind. Memory is
    // used as bytes come, not before. Throws std::system_error.
    LogRing(std::uint64_t window, std::uint64_t span);
    LogRing(const LogRing&) = delete;
    LogRing& operator=(const LogRing&) = delete;

    struct Stamp {
        std::uint64_t time = 0, run = 0;
        LogStream stream{};
    };

    // ── the thread that fills it ───────────────────────────────────────────────────────────────

    // Takes one piece out of the pipe (which does not block); how much. 0: it is empty, or at its
    // end. -1: there is no memory for it; errno says more.
    ssize_t take(int pipe, const Stamp& stamp);
    void append(std::string_view text, const Stamp& stamp);  // the same from memory
    void end_run(std::uint64_t run, std::uint64_t time);

    // From now on does not use more memory than it does (but `least` bytes), or may again.
    void set_growing(bool allowed) noexcept { may_grow_ = allowed; }
    // Lets memory beyond the window go that the slowest reader (at piece `read_to`) has read.
    void trim(std::uint64_t read_to);

    static constexpr std::uint64_t least = 16 << 10;
    [[nodiscard]] std::uint64_t memory() const noexcept;  // bytes it uses, data and index

    // ── any thread ─────────────────────────────────────────────────────────────────────────────

    struct Cursor {
        std::uint64_t piece = 0;     // number of the next piece
        std::uint32_t within = 0;    // what of it was read already
        std::uint64_t position = 0;  // the same as an offset
    };
    // Several pieces, or parts of pieces; their bytes follow one another in `bytes`.
    struct Batch {
        struct Part {
            LogPiece piece;
            bool begins = false;   // with the first byte of the piece
            std::size_t size = 0;  // bytes of it
        };
        std::vector<Part> parts;
        std::string bytes;
        std::uint64_t lost = 0;  // bytes before these that were overwritten unread
    };
    [[nodiscard]] Cursor oldest() const;
    // Copies what comes next, at most `most` bytes, and moves the cursor. False: nothing is left.
    bool read(Cursor& cursor, Batch& batch, std::size_t most) const;
    [[nodiscard]] bool at_end(const Cursor& cursor) const noexcept;
    [[nodiscard]] std::uint64_t taken() const noexcept;  // bytes ever
    [[nodiscard]] bool has_backlog() const noexcept;     // keeps more than its window

private:
    std::size_t make_room(std::size_t wanted, int pipe);
    void drop_oldest();
    void free_pages();
    void commit(std::size_t size, const Stamp& stamp, bool fresh);
    void punch(std::uint64_t file_offset, std::uint64_t size) const noexcept;
    void load(std::uint64_t number, std::span<LogPiece> pieces) const noexcept;
    void pick(const Cursor& cursor, std::span<const LogPiece> pieces, Batch& batch,
              std::size_t most) const;
    void copy(std::uint64_t offset, char* to, std::size_t size) const noexcept;
    [[nodiscard]] std::uint64_t used() const noexcept { return head_.load() - tail_offset_.load(); }

    posix::Fd file_;
    std::uint64_t window_, span_, pieces_, data_;  // pieces in the index; where the data begin
    std::atomic<std::uint64_t> head_{0};           // bytes taken
    std::atomic<std::uint64_t> next_{0};           // number of the next piece
    std::atomic<std::uint64_t> tail_{0};           // number of the oldest piece
    std::atomic<std::uint64_t> tail_offset_{0};
    std::uint64_t freed_ = 0;  // pages of the bytes before it were given back
    std::uint64_t file_position_ = 0;
    std::uint64_t line_run_[2] = {};
    bool mid_line_[2] = {};
    bool may_grow_ = true;
};

}  // namespace reeve::os
