#include "daemon/journal/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>

#include "daemon/journal/record.hpp"
#include "hal/posix/crash_point.hpp"

namespace reeve::journal {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t least_events = 64ULL << 10U;  // bytes, before a compaction is worth it
constexpr std::size_t kept_buffer = 16U << 10U;
constexpr core::Duration first_patience = 10ms;
constexpr core::Duration most_patience = 10s;

}  // namespace

Journal::Journal(int fd, state::Header& header, const Recovered& recovered)
    : fd_{fd},
      header_{&header},
      last_{std::max(recovered.last(), header.progress >> state::actions_bits)},
      end_{recovered.end},
      snapshot_end_{recovered.snapshot ? record_overhead + recovered.snapshot->size() : 0},
      behind_{!recovered.snapshot || last_ != recovered.last()} {
    // What was whole behind the torn record must not follow the one that takes its place.
    if (recovered.torn && !punch(header.active, end_)) behind_ = true;
}

template <class Value>
Journal::Appended Journal::append_as(std::uint32_t kind, const Value& value,
                                     core::TimePoint at) noexcept {
    Appended result{++last_, 0};
    if (behind_) return result;
    result.error = write_entry(header_->active, end_, kind, last_, value, at);
    behind_ = result.error != 0;
    return result;
}

Journal::Appended Journal::append(const core::Event& event, core::TimePoint at) noexcept {
    return append_as(event_kind, event, at);
}

Journal::Appended Journal::append_note(std::string_view note, core::TimePoint at) noexcept {
    return append_as(note_kind, note, at);
}

int Journal::compact(std::string_view snapshot, std::span<const Entry> pending,
                     core::TimePoint now) noexcept {
    const unsigned other = header_->active == 0 ? 1 : 0;
    std::uint64_t end = 0;
    punch(other, 0);  // if it cannot be: what is left there has older numbers
    int error = write_record(other, end, snapshot_kind, last_ - pending.size(), snapshot);
    const std::uint64_t snapshot_end = end;
    for (const Entry& entry : pending)
        if (error == 0)
            error = entry.note ? write_entry(other, end, note_kind, entry.sequence,
                                             std::string_view{*entry.note}, entry.at)
                               : write_entry(other, end, event_kind, entry.sequence, entry.event,
                                             entry.at);
    if (error != 0) {
        punch(other, 0);
        patience_ = std::clamp(patience_ * 2, first_patience, most_patience);
        next_try_ = now + patience_;
        return error;
    }
    posix::crash_point(posix::CrashPoint::snapshot_written);
    __atomic_store_n(&header_->active, other, __ATOMIC_RELEASE);
    posix::crash_point(posix::CrashPoint::snapshot_counts);
    punch(1 - other, 0);
    end_ = end;
    snapshot_end_ = snapshot_end;
    behind_ = false;
    patience_ = {};
    next_try_ = {};
    return 0;
}

void Journal::forget() noexcept {
    behind_ = true;
    punch(header_->active <= 1 ? header_->active : 0, 0);
}

bool Journal::due(core::TimePoint now) const noexcept {
    if (now < next_try_) return false;
    return behind_ || end_ - snapshot_end_ > std::max(least_events, snapshot_end_);
}

// One write, of a buffer that is there already for all but the first events.
template <class Value>
int Journal::write_entry(unsigned region, std::uint64_t& end, std::uint32_t kind,
                         std::uint64_t sequence, const Value& value, core::TimePoint at) noexcept {
    try {
        buffer_.assign(sizeof(RecordHead), '\0');
        archive::Writer out{std::move(buffer_)};
        out(at, value);
        buffer_ = out.take();
        const std::size_t length = buffer_.size() - sizeof(RecordHead);
        if (length > std::numeric_limits<std::uint32_t>::max()) return EFBIG;
        const RecordHead head{static_cast<std::uint32_t>(length), kind, sequence};
        std::memcpy(buffer_.data(), &head, sizeof head);
        const std::string_view bytes{buffer_};
        const std::uint64_t sum = checksum(head, bytes.substr(sizeof head));
        buffer_.append(reinterpret_cast<const char*>(&sum), sizeof sum);
        const int error = write_all(region, end, buffer_);
        if (buffer_.capacity() > kept_buffer) buffer_ = {};
        return error;
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
}

int Journal::write_record(unsigned region, std::uint64_t& end, std::uint32_t kind,
                          std::uint64_t sequence, std::string_view bytes) const noexcept {
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max()) return EFBIG;
    const RecordHead head{static_cast<std::uint32_t>(bytes.size()), kind, sequence};
    const std::uint64_t sum = checksum(head, bytes);
    const auto raw = [](const auto& value) {
        return std::string_view{reinterpret_cast<const char*>(&value), sizeof value};
    };
    for (const std::string_view part : {raw(head), bytes, raw(sum)})
        if (const int error = write_all(region, end, part)) return error;
    return 0;
}

int Journal::write_all(unsigned region, std::uint64_t& end, std::string_view bytes) const noexcept {
    if (bytes.size() > region_size - end) return EFBIG;
    std::uint64_t at = end;
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(),
                                         static_cast<off_t>(state::journal_at[region] + at));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? errno : ENOSPC;
        bytes.remove_prefix(static_cast<std::size_t>(written));
        at += static_cast<std::uint64_t>(written);
    }
    end = at;
    return 0;
}

bool Journal::punch(unsigned region, std::uint64_t from) const noexcept {
    return ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(state::journal_at[region] + from),
                       static_cast<off_t>(region_size - from)) == 0;
}

}  // namespace reeve::journal
