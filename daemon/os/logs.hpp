// What units print: from the pipe to a ring memfd per unit by splice, with an index of times; one
// thread drains the rings into files. A unit that floods fills its own ring and no other, and
// never waits: what a slow disk cannot take is dropped, counted, and marked in the file.
//
// Pipes and rings outlive this object when somebody (the keeper) holds their descriptors too: the
// next one adopts them and goes on where this one was killed; in the rings and in the files nothing
// is missing or there twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/types.hpp"
#include "daemon/init/protocol.hpp"
#include "daemon/os/log_layout.hpp"
#include "daemon/os/log_reader.hpp"
#include "daemon/os/loop.hpp"
#include "hal/posix/fd.hpp"
#include "units/unit_file.hpp"

namespace reeve::os {

class Logs {
public:
    struct Options {
        std::string directory = {};         // UNIT/current below it; empty: no file sink
        std::uint64_t ring = 16 << 10;      // bytes of a ring, grows to the unit's `[log] memory`
        std::uint64_t total = 4 << 20;      // sum of all rings; beyond it they stay at 16 KiB
        units::LogSpec own = {};            // for what the manager itself says
        std::chrono::seconds patience{60};  // with a reader that follows and does not read
        // The read end of a pipe (of a run) or a ring (run 0) came to be, or is let go. `fd` stays
        // ours. What is there when Logs is destroyed stays kept. May be empty.
        std::function<void(core::UnitId, core::RunId, init::Kind, int fd)> keep = {};
        std::function<void(core::UnitId, core::RunId, init::Kind)> drop = {};
    };
    Logs(Loop& loop, Options options);
    ~Logs();  // drains what is there, within 1 s
    Logs(const Logs&) = delete;
    Logs& operator=(const Logs&) = delete;

    // A run begins: its pipes. The write ends are owned here, valid until end_run(), and given to
    // every process of the run; -1: not logged. Throws std::system_error.
    struct Pipes {
        int out = -1;
        int err = -1;
    };
    Pipes begin_run(core::UnitId unit, std::string_view name, core::RunId run,
                    const units::LogSpec& spec);

    // What an earlier manager left behind comes in this order: rings, pipes of all runs, then the
    // runs that are still in progress; before the loop turns.
    //
    // The ring of a unit. False: it does not fit (another version, other sizes in `spec`, the unit
    // has one already); then it is dropped, and a new one comes with the next byte.
    bool adopt_ring(core::UnitId unit, std::string_view name, const units::LogSpec& spec,
                    posix::Fd ring);
    // The read end of a pipe of a run, in progress or over. It goes when all writers have.
    void adopt_pipe(core::UnitId unit, std::string_view name, const units::LogSpec& spec,
                    core::RunId run, LogStream stream, posix::Fd pipe);
    // A run is in progress.
    void adopt_run(core::UnitId unit, std::string_view name, core::RunId run,
                   const units::LogSpec& spec);

    // Of the present run of a unit, as begin_run() gave them. Of one that was adopted the write
    // ends are opened now; where there is none to be had, a new pipe is made, and said. Throws
    // std::system_error.
    Pipes pipes(core::UnitId unit);

    // Takes what is still in the pipes. What processes left over from the run print goes on being
    // logged until they have closed them.
    void end_run(core::UnitId unit);
    void forget(core::UnitId unit);  // drops the ring

    // A line of the manager's own: about a unit, or general (unit "reeved"). From any thread.
    void note(std::string_view text);
    // The unit that note() writes to, for queries.
    static constexpr core::UnitId own{0xFFFF'FFFF};

    // Opens the files anew: somebody has moved them away (SIGUSR1).
    void reopen();

    // For `reevectl logs`: a sealed copy as text, one line each: "ISO-TIME unit[run] text", in the
    // order of time. `follow` gets the end of a pipe that new lines are written to as well; a
    // reader that does not read is dropped.
    struct Query {
        std::vector<core::UnitId> units = {};  // empty: all
        unsigned lines = 0;                    // last N; 0: all
        core::RunId run{};                     // 0: all
        bool follow = false;
        LogResume resume = {};
    };
    posix::Fd read(const Query& query);

    struct Stats {
        std::uint64_t rings = 0, ring_bytes = 0;  // bytes of memory they use now
        std::uint64_t taken = 0, dropped = 0;     // bytes; dropped: missing in a file
        std::uint64_t file_errors = 0, followers = 0;
        bool full = false;  // `total` is used up: rings do not grow
    };
    [[nodiscard]] Stats stats() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace reeve::os
