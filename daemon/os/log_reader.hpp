// Rings as text for people: a snapshot in the order of time, and one who follows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/api/log_place.hpp"
#include "daemon/core/types.hpp"
#include "daemon/os/log_lines.hpp"
#include "daemon/os/log_ring.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

// Where somebody stands in the ring of one unit.
struct LogReader {
    core::UnitId unit{};
    std::string name;
    std::shared_ptr<const LogRing> ring;
    LogRing::Cursor cursor;
    LineAssembler lines;

    // Reads on, at most about `most` bytes; false: there is more.
    bool read_on(std::uint64_t most, const LineAssembler::Emit& emit);
};

// "TIME unit[run] text\n"; without "[run]" when it is 0.
void append_log_line(std::string& to, const std::string& unit, const LogLine& line);

// Where somebody had come to who reads on.
struct LogResume {
    std::map<std::string, api::LogPlace, std::less<>> after;  // by unit
    std::string since;  // of other units: what came later ("ISO-TIME"); empty: all
};

// All that the readers find up to now, sorted by time; the last `lines` (0: all) of `run` (0: all)
// of what comes after `resume`. `finish`: unfinished lines too. Moves the readers on.
std::string log_snapshot(std::vector<LogReader>& readers, unsigned lines, std::uint64_t run,
                         bool finish, const LogResume& resume = {});

// A sealed memfd with this text, its offset at 0. Throws std::system_error.
posix::Fd sealed_text(const std::string& text);

}  // namespace reeve::os
