// What lies in the memfd of a log ring: a header, the index, the bytes. A manager that takes over
// after a death finds here all it needs, beside the file's own offset, which says how many bytes
// were taken. Written by pwrite alone, each record within a page, so that a kill leaves it whole.
//
// offset 0                    RingHeader
// offset sizeof(RingHeader)   LogPiece × as many as fit before the bytes
// then, from a page on        the bytes, in a circle
#pragma once

#include <algorithm>
#include <cstdint>

namespace reeve::os {

enum class LogStream : std::uint8_t { out, err };

// One piece: what one splice took. A piece of length 0 says that the run is over.
struct LogPiece {
    std::uint64_t offset = 0;  // of its first byte, counted from the first byte ever taken
    std::uint64_t time = 0;    // CLOCK_REALTIME in µs, when it was taken
    std::uint64_t run = 0;
    std::uint32_t length = 0;
    LogStream stream{};
    bool fresh = false;         // it begins a line
    std::uint8_t open = 0;      // bit per stream: after it, a line is unfinished
    std::uint8_t complete = 0;  // 1: it was written; of a hole 0
};
static_assert(sizeof(LogPiece) == 32);

// How far the text of a ring has come on its way into a file.
struct LogMark {
    std::uint64_t position = 0;        // bytes read
    std::uint64_t line[2] = {};        // per stream: where its unfinished line begins, or position
    std::uint64_t owed = 0;            // bytes dropped that the file does not tell of yet
    std::uint32_t unfinished[2] = {};  // bytes of that line
    std::uint32_t in_step = 0;         // bit per stream: the next byte begins or continues a line
    std::uint32_t reserved = 0;
};
static_assert(sizeof(LogMark) == 48);

// Stored before text goes into the file. How much of it got there, the size of the file tells.
struct FileRecord {
    LogMark before, after;
    std::uint64_t file = 0;   // its identity; 0: nothing was begun beyond `done`
    std::uint64_t size = 0;   // of the file, with `done` bytes of the text in it
    std::uint32_t total = 0;  // bytes of the text
    std::uint32_t done = 0;
    std::uint32_t used = 0;  // 1: there is a record
    std::uint32_t reserved = 0;
};
static_assert(sizeof(FileRecord) == 128);

struct RingHeader {
    static constexpr std::uint64_t right_magic = 0x316f'4c65'7665'6552ULL;  // "ReeveLo1" as bytes
    static constexpr std::uint32_t right_version = 1;
    static constexpr std::uint64_t page = 4096;
    static constexpr std::uint64_t least = 16 << 10;  // bytes of a window

    std::uint64_t magic = right_magic;
    std::uint32_t version = right_version;
    std::uint32_t reserved = 0;
    std::uint64_t window = 0, span = 0;
    struct Source {  // where the next piece comes from: stored before it is taken
        std::uint64_t run = 0, stream = 0;
    } source;
    struct Checkpoint {  // the index holds every piece before this one
        std::uint64_t piece = 0, offset = 0;
    } checkpoint;
    std::uint64_t freed = 0;  // the pages of the bytes before it may be holes
    std::uint64_t unused[3] = {};
    FileRecord file;

    static constexpr std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
        return (bytes + page - 1) / page * page;
    }
    static constexpr RingHeader of(std::uint64_t window, std::uint64_t span) noexcept {
        RingHeader header;
        header.window = whole_pages(std::max(window, least));
        header.span = whole_pages(std::max(span, header.window));
        return header;
    }
};
static_assert(sizeof(RingHeader) % sizeof(LogPiece) == 0 && sizeof(RingHeader) <= 512);

}  // namespace reeve::os
