#include "daemon/os/log_ring.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"

namespace reeve::os {

namespace {

using posix::check;
using posix::crash_point;
using posix::CrashPoint;

constexpr std::uint64_t page = RingHeader::page;
constexpr std::uint64_t free_at_once = 4 * page;

// Between the tail and the bytes, which the kernel copies and no atomic orders.
void barrier() noexcept {
#ifndef __SANITIZE_THREAD__  // knows no fences, nor what system calls copy
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

// A piece for every 64 bytes, so that units that print short lines keep as many bytes as others.
LogRing::LogRing(posix::Fd file, const RingHeader& header)
    : file_{std::move(file)},
      window_{header.window},
      span_{header.span},
      pieces_{(RingHeader::whole_pages(span_ / 64 * sizeof(LogPiece)) - sizeof header) /
              sizeof(LogPiece)},
      data_{sizeof header + pieces_ * sizeof(LogPiece)},
      freed_{header.freed},
      source_{header.source} {}

LogRing::LogRing(std::uint64_t window, std::uint64_t span)
    : LogRing{
          posix::Fd{check(::memfd_create("reeve-log", MFD_CLOEXEC), "memfd_create for a log ring")},
          RingHeader::of(window, span)} {
    const RingHeader header = RingHeader::of(window, span);
    check(::ftruncate(file_.get(), static_cast<off_t>(data_ + span_)), "size a log ring");
    check(::pwrite(file_.get(), &header, sizeof header, 0), "write the header of a log ring");
}

std::uint64_t LogRing::memory() const noexcept {
    const std::uint64_t index = std::min(next_.load(), pieces_) * sizeof(LogPiece);
    const std::uint64_t live = (next_.load() - tail_.load()) * sizeof(LogPiece);
    return sizeof(RingHeader) + std::min(head_.load() - freed_, span_) +
           (span_ > window_ ? live : index);
}

std::uint64_t LogRing::taken() const noexcept {
    return head_.load();
}

bool LogRing::has_backlog() const noexcept {
    return span_ > window_ && used() > 2 * window_;
}

// ── filling ────────────────────────────────────────────────────────────────────────────────────

// The tail moves before anything is overwritten; a reader that sees the new bytes sees it too.
void LogRing::drop_oldest() {
    LogPiece oldest;
    const std::uint64_t number = tail_.load();
    load(number, {&oldest, 1});
    tail_offset_ = oldest.offset + oldest.length;
    tail_.store(number + 1);
    barrier();
    const std::uint64_t end = place(number) + sizeof(LogPiece);
    if (span_ > window_ && end % page == 0 && end > page)  // the first holds the header
        punch(end - page, page);
}

// How much may be taken now in one piece; what must go for it has gone.
std::size_t LogRing::make_room(std::size_t wanted, int pipe) {
    const std::uint64_t head = head_.load();
    std::uint64_t size = std::min<std::uint64_t>(wanted, window_ / 4);
    size = std::min(size, span_ - head % span_);
    const std::uint64_t capacity = may_grow_ ? span_ : std::min(span_, std::max(used(), least));
    const auto full = [&] {
        return used() + size > capacity || next_.load() - tail_.load() == pieces_;
    };
    if (full() && pipe >= 0) {  // look first: nothing is dropped for an empty pipe
        int waiting = 0;
        if (::ioctl(pipe, FIONREAD, &waiting) != 0 || waiting <= 0) return 0;
        size = std::min<std::uint64_t>(size, static_cast<std::uint64_t>(waiting));
    }
    while (next_.load() != tail_.load() && full()) drop_oldest();
    if (capacity < span_) free_pages();
    return size;
}

// The bytes are there. At the end of a page of the index the checkpoint follows: no page before it
// is needed to go on.
void LogRing::commit(std::size_t size, const Stamp& stamp, bool fresh) {
    const std::uint64_t number = next_.load();
    const std::uint64_t head = head_.load();
    if (size > 0) {
        const auto stream = static_cast<std::size_t>(stamp.stream);
        char last = 0;
        copy(head + size - 1, &last, 1);
        mid_line_[stream] = last != '\n';
        line_run_[stream] = stamp.run;
    } else {
        mid_line_[0] = mid_line_[1] = false;
    }
    const auto open = static_cast<std::uint8_t>((mid_line_[0] ? 1U : 0U) | (mid_line_[1] ? 2U : 0));
    const LogPiece piece{head,         stamp.time, stamp.run, static_cast<std::uint32_t>(size),
                         stamp.stream, fresh,      open,      1};
    if (!put(&piece, sizeof piece, place(number))) {  // as if nothing had been taken
        const int error = errno;
        ::lseek(file_.get(), static_cast<off_t>(data_ + head % span_), SEEK_SET);
        throw std::system_error{error, std::generic_category(), "write the index of a log ring"};
    }
    head_.store(head + size);
    next_.store(number + 1);
    crash_point(CrashPoint::ring_entered);
    if (place(number + 1) % page != 0 && (number + 1) % pieces_ != 0) return;
    (void)keep_checkpoint();
    crash_point(CrashPoint::log_checkpoint);
}

bool LogRing::keep_checkpoint() const noexcept {
    const RingHeader::Checkpoint checkpoint{next_.load(), head_.load()};
    return put(&checkpoint, sizeof checkpoint, offsetof(RingHeader, checkpoint));
}

// What must be said and have its memory before bytes are taken. False: errno says why.
bool LogRing::prepare(const Stamp& stamp) {
    const std::uint64_t at = head_.load() % span_;
    if (at == 0 && ::lseek(file_.get(), static_cast<off_t>(data_), SEEK_SET) < 0) return false;
    if (at == 0) crash_point(CrashPoint::log_wrapped);
    const auto stream = static_cast<std::uint64_t>(stamp.stream);
    if (stamp.run != source_.run || stream != source_.stream) {
        const RingHeader::Source source{stamp.run, stream};
        if (!put(&source, sizeof source, offsetof(RingHeader, source))) return false;
        source_ = source;
        crash_point(CrashPoint::log_source);
    }
    const std::uint64_t where = place(next_.load());
    const LogPiece none;
    return where % page != 0 || put(&none, sizeof none, where);
}

ssize_t LogRing::take(int pipe, const Stamp& stamp, bool* emptied) {
    const std::size_t room = make_room(64 << 10, pipe);
    if (room == 0) return 0;
    if (!prepare(stamp)) return -1;
    // Consuming and advancing are one system call; the file's own offset says how far we are.
    const ssize_t got = ::splice(pipe, nullptr, file_.get(), nullptr, room, SPLICE_F_NONBLOCK);
    if (got == 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return 0;
    if (got < 0) return -1;
    crash_point(CrashPoint::spliced);
    if (emptied != nullptr) *emptied = static_cast<std::size_t>(got) < room;
    const auto stream = static_cast<std::size_t>(stamp.stream);
    commit(static_cast<std::size_t>(got), stamp,
           !mid_line_[stream] || line_run_[stream] != stamp.run);
    return got;
}

void LogRing::append(std::string_view text, const Stamp& stamp) {
    while (!text.empty()) {
        const std::size_t room = make_room(text.size(), -1);
        check(prepare(stamp) ? 0 : -1, "make room in a log ring");
        const auto size = static_cast<std::size_t>(
            check(::write(file_.get(), text.data(), room), "write to a log ring"));
        commit(size, stamp, !mid_line_[static_cast<std::size_t>(stamp.stream)]);
        text.remove_prefix(size);
    }
}

void LogRing::end_run(std::uint64_t run, std::uint64_t time) {
    if (!mid_line_[0] && !mid_line_[1]) return;
    if (next_.load() - tail_.load() == pieces_) drop_oldest();
    commit(0, {time, run, LogStream::out}, true);
}

void LogRing::trim(std::uint64_t read_to) {
    if (span_ == window_) return;
    LogPiece oldest;
    while (tail_.load() < read_to && used() > window_) {
        load(tail_.load(), {&oldest, 1});
        if (used() - oldest.length < window_) break;
        drop_oldest();
    }
    free_pages();
}

void LogRing::free_pages() {
    if (head_.load() > span_) freed_ = std::max(freed_, head_.load() - span_);
    freed_ = RingHeader::whole_pages(freed_);
    const std::uint64_t until = tail_offset_.load() / page * page;
    if (until < freed_ + free_at_once) return;
    if (!put(&until, sizeof until, offsetof(RingHeader, freed))) return;
    crash_point(CrashPoint::log_freeing);
    const std::uint64_t from = freed_ % span_;
    const std::uint64_t size = until - freed_;
    punch(data_ + from, std::min(size, span_ - from));
    if (size > span_ - from) punch(data_, size - (span_ - from));
    freed_ = until;
}

bool LogRing::put(const void* record, std::size_t size, std::uint64_t where) const noexcept {
    return ::pwrite(file_.get(), record, size, static_cast<off_t>(where)) ==
           static_cast<ssize_t>(size);
}

void LogRing::punch(std::uint64_t file_offset, std::uint64_t size) const noexcept {
    ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(file_offset), static_cast<off_t>(size));
}

// ── reading ────────────────────────────────────────────────────────────────────────────────────

void LogRing::load(std::uint64_t number, std::span<LogPiece> pieces) const noexcept {
    while (!pieces.empty()) {
        const std::uint64_t at = number % pieces_;
        const auto part = pieces.first(std::min<std::size_t>(pieces.size(), pieces_ - at));
        const auto where = static_cast<off_t>(place(number));
        if (::pread(file_.get(), part.data(), part.size_bytes(), where) < 0) return;
        number += part.size();
        pieces = pieces.subspan(part.size());
    }
}

void LogRing::copy(std::uint64_t offset, char* to, std::size_t size) const noexcept {
    while (size > 0) {
        const std::uint64_t at = offset % span_;
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, span_ - at));
        if (::pread(file_.get(), to, part, static_cast<off_t>(data_ + at)) < 0) return;
        offset += part;
        to += part;
        size -= part;
    }
}

LogRing::Cursor LogRing::oldest() const {
    for (;;) {
        const std::uint64_t number = tail_.load();
        if (number == next_.load()) return {};  // of a ring that was never filled
        LogPiece piece;
        load(number, {&piece, 1});
        barrier();
        if (tail_.load() == number) return {number, 0, piece.offset};
    }
}

LogRing::Cursor LogRing::at(std::uint64_t offset) const {
    const Cursor first = oldest();
    if (offset < first.position) return {first.piece - 1, 0, offset};
    std::uint64_t number = first.piece;
    std::array<LogPiece, 64> found;
    while (number < next_.load()) {
        const std::size_t count = std::min(found.size(), next_.load() - number);
        load(number, {found.data(), count});
        for (const LogPiece& piece : std::span{found.data(), count}) {
            if (piece.offset + piece.length > offset ||
                (piece.length == 0 && piece.offset >= offset))
                return {number, static_cast<std::uint32_t>(offset - piece.offset), offset};
            ++number;
        }
    }
    return {number, 0, offset};
}

bool LogRing::at_end(const Cursor& cursor) const noexcept {
    return cursor.piece >= next_.load();
}

void LogRing::pick(const Cursor& cursor, std::span<const LogPiece> pieces, Batch& batch,
                   std::size_t most) const {
    std::size_t total = 0;
    std::size_t before = cursor.within;  // of the first piece
    for (const LogPiece& piece : pieces) {
        const std::size_t size = std::min(piece.length - before, most - total);
        batch.parts.push_back({piece, static_cast<std::uint32_t>(before), size});
        total += size;
        if (before + size < piece.length) break;
        before = 0;
    }
    batch.bytes.resize(total);
    copy(cursor.position, batch.bytes.data(), total);
}

bool LogRing::read(Cursor& cursor, Batch& batch, std::size_t most) const {
    batch.lost = 0;
    while (!at_end(cursor)) {
        std::array<LogPiece, 64> found;
        const std::size_t count = std::min(found.size(), next_.load() - cursor.piece);
        const std::span<LogPiece> pieces{found.data(), count};
        batch.parts.clear();
        load(cursor.piece, pieces);
        barrier();
        const bool known = tail_.load() <= cursor.piece;  // else `pieces` may be anything
        if (known) pick(cursor, pieces, batch, most);
        barrier();
        if (!known || tail_.load() > cursor.piece) {
            const Cursor from = oldest();
            batch.lost += from.position - cursor.position;
            cursor = from;
            continue;
        }
        const Batch::Part& last = batch.parts.back();
        const std::size_t within = (batch.parts.size() == 1 ? cursor.within : 0) + last.size;
        const bool whole = within == last.piece.length;
        cursor.piece += batch.parts.size() - (whole ? 0 : 1);
        cursor.within = whole ? 0 : static_cast<std::uint32_t>(within);
        cursor.position += batch.bytes.size();
        return true;
    }
    return false;
}

}  // namespace reeve::os
