// What units print: from the pipe to a ring memfd per unit by splice, with an index of times; one
// thread drains the rings into files. A unit that floods fills its own ring and no other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/os/loop.hpp"
#include "hal/posix/fd.hpp"
#include "units/unit_file.hpp"

namespace reeve::os {

class Logs {
public:
    struct Options {
        std::string directory;             // UNIT/current below it; empty: no file sink
        std::uint64_t ring = 16 << 10;     // bytes of a ring, grows to the unit's `[log] memory`
        std::uint64_t total = 4 << 20;     // sum of all rings
    };
    Logs(Loop& loop, Options options);
    ~Logs();  // drains what is there, within 1 s
    Logs(const Logs&) = delete;
    Logs& operator=(const Logs&) = delete;

    // A run begins: its pipes. The write ends are owned here, valid until end_run(), and given to
    // every process of the run; -1: not logged.
    struct Pipes { int out = -1; int err = -1; };
    Pipes begin_run(core::UnitId unit, std::string_view name, core::RunId run,
                    const units::LogSpec& spec);
    void end_run(core::UnitId unit);  // takes what is still in the pipes
    void forget(core::UnitId unit);   // drops the ring

    // A line of the manager's own: about a unit, or general (unit "reeved").
    void note(std::string_view text);

    // For `reevectl logs`: a sealed copy as text, one line each: "ISO-TIME unit[run] text".
    // `follow` gets a pipe that new lines are written to; a reader that does not read is dropped.
    struct Query {
        std::vector<core::UnitId> units;  // empty: all
        unsigned lines = 0;               // last N; 0: all
        core::RunId run{};                // 0: all
        bool follow = false;
    };
    posix::Fd read(const Query& query);

    struct Stats {
        std::uint64_t rings = 0, ring_bytes = 0, taken = 0, dropped = 0, file_errors = 0;
    };
    [[nodiscard]] Stats stats() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
