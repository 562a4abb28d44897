// What was refused at one moment, for want of memory or descriptors, and is asked for again.
#pragma once

#include <cerrno>
#include <chrono>
#include <functional>
#include <vector>

#include "hal/posix/sd_ptr.hpp"

namespace reeve::os {

// Whether errno says that there is none now: of descriptors, memory, watches or room.
constexpr bool is_shortage(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOSPC;
}

class Retries {
public:
    static constexpr std::chrono::milliseconds first_pause{50}, longest_pause{1'000};

    // True: it was had, or nobody wants it any more. An exception counts as false.
    using Attempt = std::function<bool()>;

    explicit Retries(sd_event* loop);  // throws std::system_error

    // Asks `attempt` on the loop after a pause, and again after ever longer ones until it gives
    // true. All that wait share their pauses.
    void add(Attempt attempt);

private:
    void arm();
    void ask_all();

    posix::SourcePtr timer_;
    std::vector<Attempt> attempts_;
    std::chrono::milliseconds pause_ = first_pause;
    bool asking_ = false;
};

}  // namespace reeve::os
