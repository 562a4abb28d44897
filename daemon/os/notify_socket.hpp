// systemd's notify protocol: one datagram socket per unit that uses it, on tmpfs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/os/loop.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

// One datagram, parsed. Unknown keys are ignored, as the protocol demands.
struct NotifyMessage {
    bool ready = false, reloading = false, stopping = false;
    bool watchdog = false, watchdog_trigger = false;
    std::optional<std::string> status;                         // STATUS, UTF-8 made valid
    std::optional<pid_t> main_pid;                             // MAINPID
    std::optional<int> error;                                  // ERRNO
    std::optional<std::chrono::microseconds> extend;           // EXTEND_TIMEOUT_USEC
    std::optional<std::chrono::microseconds> watchdog_period;  // WATCHDOG_USEC
    bool barrier = false;                                      // BARRIER=1
};
// Pure; throws std::bad_alloc only. Malformed lines are skipped (fuzzed).
NotifyMessage parse_notify(std::string_view datagram);

struct NotifySender {
    pid_t pid = 0;  // 0: unknown
    uid_t uid = 0;
};

class NotifySocket {
public:
    using Handler = std::function<void(const NotifyMessage&, const NotifySender&)>;
    // Binds `path` (or, where that is too long for a client to connect to, an abstract name of the
    // kernel's choice; mode 0777: any user of the unit may send; the caller checks who did).
    // Messages are handled on the loop, a bounded number a turn, so that no sender holds up the
    // others. Each stays in the socket until the handler has returned, so that it is not lost with
    // us; the one that we die over comes again to whoever takes the socket over.
    NotifySocket(Loop& loop, const std::string& path, Handler handler);  // throws std::system_error
    // Takes over one that is bound, and what waits in it.
    NotifySocket(Loop& loop, posix::Fd bound, Handler handler);
    ~NotifySocket();  // unlinks, if not abandoned
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    // What the children get as NOTIFY_SOCKET: the path, or "@name".
    [[nodiscard]] const std::string& path() const noexcept;
    [[nodiscard]] int get() const noexcept;  // to be kept by somebody else
    void abandon() noexcept;                 // somebody has it: its name stays
    // Reads what has been sent so far; called before an exit is handled. The handler may destroy
    // this socket.
    void drain();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace reeve::os
