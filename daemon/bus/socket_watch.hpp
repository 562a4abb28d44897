// Tells when somebody may have begun to listen at a path. One inotify for life: closing one waits
// for the kernel's grace period (15 ms here, 200 ms on a loaded machine), which is why
// sd_bus_set_watch_bind(), which opens and closes one for each attempt, is not used.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hal/posix/fd.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::bus {

class SocketWatch {
public:
    // path empty: nothing can be watched (an abstract socket). Throws std::system_error.
    SocketWatch(sd_event* loop, std::string path, std::function<void()> changed);

    void arm();  // watches the folder, or the nearest one above that exists
    void disarm() noexcept;
    [[nodiscard]] bool can_watch() const noexcept { return !path_.empty(); }

    // The path in a D-Bus address "unix:path=…"; empty: it names none.
    static std::string path_in(const std::string& address);

private:
    static int on_event(sd_event_source*, int, std::uint32_t, void* self) noexcept;
    void read_all();

    std::string path_;
    std::function<void()> changed_;
    posix::Fd inotify_;
    posix::SourcePtr source_;
    int watched_ = -1;
    std::string awaited_;  // in the watched folder: the socket, or a folder on the way to it
};

}  // namespace reeve::bus
