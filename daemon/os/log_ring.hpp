// What one unit printed last: bytes in a memfd, filled from a pipe by splice, and beside them an
// index that says when, in which run and on which stream each piece came.
//
// One thread fills it. Any thread may read it at the same time and takes no lock: what is about to
// be overwritten is first declared gone (the tail moves), and a reader looks at the tail after it
// has copied.
//
// It outlives its filler: whoever holds the same open file description takes it over with adopt(),
// and no byte is lost or doubled. All that changes the memfd comes in this order: bytes (the
// splice, which moves the file's own offset), the piece in the index, the checkpoint; a hole is
// noted before it is made.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/os/log_layout.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

class LogRing {
public:
    // Keeps `window` bytes (at least `least`), and up to `span` while a reader is behind. Memory is
    // used as bytes come, not before. Throws std::system_error.
    LogRing(std::uint64_t window, std::uint64_t span);
    // Goes on with the ring of a filler that has died, over the same open file description. Bytes
    // that it took and did not enter are entered now, with this `time` (CLOCK_REALTIME in µs).
    // nullptr: it is not a ring, of another version, or not in order.
    static std::shared_ptr<LogRing> adopt(posix::Fd file, std::uint64_t time);
    LogRing(const LogRing&) = delete;
    LogRing& operator=(const LogRing&) = delete;

    struct Stamp {
        std::uint64_t time = 0, run = 0;
        LogStream stream{};
    };

    // ── the thread that fills it ───────────────────────────────────────────────────────────────

    // Takes one piece out of the pipe (which does not block); how much. 0: it is empty, or at its
    // end. -1: there is no memory for it; errno says more. `emptied`: it took less than it could.
    ssize_t take(int pipe, const Stamp& stamp, bool* emptied = nullptr);
    void append(std::string_view text, const Stamp& stamp);  // the same from memory
    void end_run(std::uint64_t run, std::uint64_t time);

    // From now on does not use more memory than it does (but `least` bytes), or may again.
    void set_growing(bool allowed) noexcept { may_grow_ = allowed; }
    // Lets memory beyond the window go that the slowest reader (at piece `read_to`) has read.
    void trim(std::uint64_t read_to);

    static constexpr std::uint64_t least = RingHeader::least;
    [[nodiscard]] std::uint64_t memory() const noexcept;  // bytes it uses, data and index

    [[nodiscard]] int descriptor() const noexcept { return file_.get(); }  // stays the ring's
    // Whether a new ring of these sizes would be like this one.
    [[nodiscard]] bool has_sizes(std::uint64_t window, std::uint64_t span) const noexcept;

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
            std::uint32_t within = 0;  // where in the piece it begins
            std::size_t size = 0;      // bytes of it
        };
        std::vector<Part> parts;
        std::string bytes;
        std::uint64_t lost = 0;  // bytes before these that were overwritten unread
    };
    [[nodiscard]] Cursor oldest() const;
    // Where the byte with this offset is, or will be; if it was overwritten, read() tells.
    [[nodiscard]] Cursor at(std::uint64_t offset) const;
    // How far its text has come into a file. From the thread that writes the file.
    [[nodiscard]] FileRecord file_record() const noexcept;
    void store(const FileRecord& record) const noexcept;

    // Copies what comes next, at most `most` bytes, and moves the cursor. False: nothing is left.
    bool read(Cursor& cursor, Batch& batch, std::size_t most) const;
    [[nodiscard]] bool at_end(const Cursor& cursor) const noexcept;
    [[nodiscard]] std::uint64_t taken() const noexcept;  // bytes ever
    [[nodiscard]] bool has_backlog() const noexcept;     // keeps more than its window

private:
    LogRing(posix::Fd file, const RingHeader& header);
    bool recover(const RingHeader& header, std::uint64_t time);
    void find_head(const RingHeader::Checkpoint& from);
    void find_tail(std::uint64_t first, std::uint64_t lowest);
    [[nodiscard]] std::int64_t unentered() const noexcept;

    [[nodiscard]] bool keep_checkpoint() const noexcept;
    [[nodiscard]] bool prepare(const Stamp& stamp);
    [[nodiscard]] std::uint64_t place(std::uint64_t number) const noexcept {
        return sizeof(RingHeader) + number % pieces_ * sizeof(LogPiece);
    }
    std::size_t make_room(std::size_t wanted, int pipe);
    void drop_oldest();
    void free_pages();
    void commit(std::size_t size, const Stamp& stamp, bool fresh);
    bool put(const void* record, std::size_t size, std::uint64_t where) const noexcept;
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
    RingHeader::Source source_;
    std::uint64_t line_run_[2] = {};
    bool mid_line_[2] = {};
    bool may_grow_ = true;
};

}  // namespace reeve::os
