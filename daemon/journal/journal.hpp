// What the engine was told, in memory that outlives the manager: a snapshot and the events since.
// An event is appended before anything acts on it. Never a disk write, and never an exception for
// want of memory: then the journal is *behind* until a compaction succeeds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "daemon/core/event.hpp"
#include "daemon/core/types.hpp"
#include "daemon/init/layout.hpp"
#include "daemon/journal/recover.hpp"

namespace reeve::journal {

class Journal {
public:
    // Goes on after what was recovered from it; what is torn goes. `fd` (a memfd, or a file on
    // tmpfs) and `header`, mapped shared, are borrowed. Without a snapshot, or with less than
    // `header` says was handled, it begins behind.
    Journal(int fd, state::Header& header, const Recovered& recovered);

    struct Appended {
        std::uint64_t sequence = 0;  // each call has the next, stored or not
        int error = 0;               // errno: with this event the journal fell behind; said once
    };
    // One write. While it is behind nothing is written, as it could not be read again.
    Appended append(const core::Event& event, core::TimePoint at) noexcept;
    // The same for what the shell alone understands.
    Appended append_note(std::string_view note, core::TimePoint at) noexcept;

    // Writes the snapshot and the events that were appended but are not in it, in order, into the
    // other region; one store makes that the active one. Until then the former counts. Returns 0
    // or errno: then everything is as before, and it is due again after a while, soon at first.
    // The snapshot must be of a moment when every action of what is in it has been carried out.
    int compact(std::string_view snapshot, std::span<const Entry> pending,
                core::TimePoint now) noexcept;

    // Nothing of it is to be read again; it is behind until the next compaction.
    void forget() noexcept;

    // True when the events take more than the snapshot, and 64 KiB; or when it is behind and a new
    // try is worth it. Never wakes anybody: asked after events.
    [[nodiscard]] bool due(core::TimePoint now) const noexcept;
    // What is appended would be lost with the manager.
    [[nodiscard]] bool behind() const noexcept { return behind_; }
    [[nodiscard]] std::uint64_t last() const noexcept { return last_; }  // sequence number
    [[nodiscard]] std::uint64_t size() const noexcept { return end_; }   // bytes in use

private:
    int write_record(unsigned region, std::uint64_t& end, std::uint32_t kind,
                     std::uint64_t sequence, std::string_view bytes) const noexcept;
    template <class Value>
    int write_entry(unsigned region, std::uint64_t& end, std::uint32_t kind, std::uint64_t sequence,
                    const Value& value, core::TimePoint at) noexcept;
    template <class Value>
    Appended append_as(std::uint32_t kind, const Value& value, core::TimePoint at) noexcept;
    int write_all(unsigned region, std::uint64_t& end, std::string_view bytes) const noexcept;
    // Gives the memory of a region back from `from` on.
    bool punch(unsigned region, std::uint64_t from) const noexcept;

    int fd_;
    state::Header* header_;
    std::uint64_t last_;
    std::uint64_t end_;           // of the active region
    std::uint64_t snapshot_end_;  // where its events begin
    std::string buffer_;          // of one record; its memory is used again
    bool behind_;
    core::Duration patience_{};  // until the next try after a failed compaction
    core::TimePoint next_try_{};
};

}  // namespace reeve::journal
