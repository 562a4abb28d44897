// A ring whose filler has died: what it knew is found again in the memfd.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "daemon/os/log_ring.hpp"

namespace reeve::os {

namespace {

constexpr std::uint64_t page = RingHeader::page;
constexpr std::uint64_t largest = std::uint64_t{1} << 40;

bool is_sound(const RingHeader& header) {
    return header.magic == RingHeader::right_magic && header.version == RingHeader::right_version &&
           header.window >= LogRing::least && header.window % page == 0 &&
           header.span >= header.window && header.span % page == 0 && header.span <= largest &&
           header.source.stream <= 1;
}

}  // namespace

std::shared_ptr<LogRing> LogRing::adopt(posix::Fd file, std::uint64_t time) {
    RingHeader header;
    struct stat now {};
    if (::pread(file.get(), &header, sizeof header, 0) != sizeof header) return nullptr;
    if (!is_sound(header) || ::fstat(file.get(), &now) != 0) return nullptr;
    std::shared_ptr<LogRing> ring{new LogRing{std::move(file), header}};
    if (static_cast<std::uint64_t>(now.st_size) != ring->data_ + ring->span_) return nullptr;
    return ring->recover(header, time) ? ring : nullptr;
}

// From the checkpoint on, each piece begins where the one before it ends. What an earlier round has
// left in the next place begins elsewhere.
void LogRing::find_head(const RingHeader::Checkpoint& from) {
    std::uint64_t number = from.piece;
    std::uint64_t head = from.offset;
    std::array<LogPiece, 64> found;
    for (bool sound = true; sound;) {
        load(number, found);
        for (const LogPiece& piece : found) {
            sound = piece.complete == 1 && piece.offset == head;
            if (!sound) break;
            head += piece.length;
            ++number;
        }
    }
    head_.store(head);
    next_.store(number);
}

// Back from the head to the oldest piece, not before number `first`, whose bytes all lie at or
// beyond the offset `lowest`.
void LogRing::find_tail(std::uint64_t first, std::uint64_t lowest) {
    std::uint64_t number = next_.load();
    std::uint64_t offset = head_.load();
    std::array<bool, 2> seen{};
    std::array<LogPiece, 64> found;
    for (bool sound = true; sound && number > first;) {
        const std::size_t count = std::min<std::uint64_t>(found.size(), number - first);
        load(number - count, {found.data(), count});
        for (std::size_t i = count; i-- > 0;) {
            const LogPiece& piece = found[i];
            sound = piece.complete == 1 && piece.offset + piece.length == offset &&
                    piece.offset >= lowest && piece.stream <= LogStream::err;
            if (!sound) break;
            if (number == next_.load()) {
                mid_line_[0] = (piece.open & 1U) != 0;
                mid_line_[1] = (piece.open & 2U) != 0;
                line_run_[0] = line_run_[1] = piece.run;
            }
            const auto stream = static_cast<std::size_t>(piece.stream);
            if (piece.length > 0 && !seen[stream]) line_run_[stream] = piece.run;
            seen[stream] |= piece.length > 0;
            --number;
            offset = piece.offset;
        }
    }
    tail_.store(number);
    tail_offset_.store(offset);
}

// Bytes that were taken and not entered; -1: the file's offset is none that we leave behind.
std::int64_t LogRing::unentered() const noexcept {
    const off_t position = ::lseek(file_.get(), 0, SEEK_CUR);
    const std::uint64_t at = head_.load() % span_;
    const auto here = static_cast<off_t>(data_ + at);
    const auto end = static_cast<off_t>(data_ + span_);
    if (at == 0 && position == (head_.load() == 0 ? 0 : end)) return 0;  // not wrapped yet
    const bool known =
        position >= here && position <= end && position - here <= static_cast<off_t>(window_ / 4);
    return known ? position - here : -1;
}

bool LogRing::recover(const RingHeader& header, std::uint64_t time) {
    find_head(header.checkpoint);
    const std::int64_t missing = unentered();
    if (missing < 0) return false;
    const std::uint64_t head = head_.load() + static_cast<std::uint64_t>(missing);
    const std::uint64_t number = next_.load() + 1;  // the next piece needs its place
    find_tail(number > pieces_ ? number - pieces_ : 0,
              std::max(header.freed, head > span_ ? head - span_ : 0));
    if (!keep_checkpoint()) return false;  // it may have died before it did
    if (missing == 0) return true;
    const auto stream = static_cast<LogStream>(header.source.stream);
    const auto line = static_cast<std::size_t>(stream);
    commit(static_cast<std::size_t>(missing), {time, header.source.run, stream},
           !mid_line_[line] || line_run_[line] != header.source.run);
    return true;
}

bool LogRing::has_sizes(std::uint64_t window, std::uint64_t span) const noexcept {
    const RingHeader header = RingHeader::of(window, span);
    return header.window == window_ && header.span == span_;
}

FileRecord LogRing::file_record() const noexcept {
    FileRecord record;
    const auto where = static_cast<off_t>(offsetof(RingHeader, file));
    if (::pread(file_.get(), &record, sizeof record, where) != sizeof record) return {};
    return record;
}

void LogRing::store(const FileRecord& record) const noexcept {
    (void)put(&record, sizeof record, offsetof(RingHeader, file));
}

}  // namespace reeve::os
