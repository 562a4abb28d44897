// The form of the journal: records back to back in a region, a snapshot, then the events since.
// Numbers are in the machine's byte order: what is read here was written on the same board.
#pragma once

#include <cstdint>

#include "daemon/core/event_archive.hpp"
#include "daemon/init/layout.hpp"
#include "units/archive.hpp"

namespace reeve::journal {

// Then `length` bytes, then 8 of checksum over all before. The sequence number of a snapshot is
// that of the last event it has in it; each event has the next.
struct RecordHead {
    std::uint32_t length;
    std::uint32_t kind;
    std::uint64_t sequence;
};
static_assert(sizeof(RecordHead) == 16);
inline constexpr std::uint64_t record_overhead = sizeof(RecordHead) + sizeof(std::uint64_t);

inline constexpr std::uint32_t snapshot_kind = 1U << 16U | 1U;
inline constexpr std::uint32_t event_kind = std::uint32_t{core::event_format} << 16U | 2U;
inline constexpr std::uint32_t note_kind = 1U << 16U | 3U;

// As much as the first region may hold; the second is treated alike.
inline constexpr std::uint64_t region_size = state::journal_at[1] - state::journal_at[0];

inline std::uint64_t checksum(const RecordHead& head, std::string_view bytes) noexcept {
    const std::string_view view{reinterpret_cast<const char*>(&head), sizeof head};
    return archive::checksum(bytes, archive::checksum(view));
}

}  // namespace reeve::journal
