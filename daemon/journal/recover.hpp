// Reads what a predecessor has left in the journal, and changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/core/event.hpp"
#include "daemon/core/types.hpp"
#include "daemon/init/layout.hpp"

namespace reeve::journal {

struct Entry {
    std::uint64_t sequence = 0;
    core::TimePoint at{};  // when the engine was told
    core::Event event;
    std::optional<std::string> note{};  // of the shell; then there is no event
};

struct Recovered {
    std::optional<std::string> snapshot;  // nullopt: there is none, or it is damaged
    std::uint64_t through = 0;            // the last event that is in the snapshot
    std::vector<Entry> events;            // those since, without a gap
    // What follows does not fit: a write that was cut short, or damage. It is left out.
    bool torn = false;
    std::uint64_t end = 0;  // bytes of the region that are good

    [[nodiscard]] std::uint64_t last() const noexcept {
        return events.empty() ? through : events.back().sequence;
    }
};

// The good prefix of the active region of the state behind `fd`, which is borrowed. Throws
// std::invalid_argument when the state is whole but of another version; says which. Throws
// std::system_error when it cannot be read, std::bad_alloc.
Recovered recover(int fd, const state::Header& header);

}  // namespace reeve::journal
