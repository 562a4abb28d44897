// One who follows logs: new lines go into a pipe, as fast as they are read at its other end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/os/log_reader.hpp"
#include "daemon/os/loop.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

class LogFollower {
public:
    struct Start {
        std::vector<LogReader> readers;
        std::string text;                 // what goes first
        std::vector<core::UnitId> units;  // empty: all
        std::uint64_t run = 0;            // 0: all
        std::chrono::seconds patience{};
    };
    // `gone` is called when the reader has closed its end; it may destroy the follower.
    LogFollower(Loop& loop, Start start, posix::Fd pipe,
                std::function<void(const LogFollower*)> gone);
    ~LogFollower();
    LogFollower(const LogFollower&) = delete;
    LogFollower& operator=(const LogFollower&) = delete;

    // The ring of a unit has something new. False: this one does not read any more; drop it.
    bool wake(core::UnitId unit, const std::string& name,
              const std::shared_ptr<const LogRing>& ring);

private:
    void pump();
    bool fill();
    bool send();
    void watch(std::uint32_t events);

    Loop& loop_;
    Start state_;
    posix::Fd pipe_;
    std::function<void(const LogFollower*)> gone_;
    std::uint32_t watched_ = 0;
    std::size_t sent_ = 0;   // of state_.text
    core::TimePoint moved_;  // when the reader last took something, or there was nothing
};

}  // namespace reeve::os
