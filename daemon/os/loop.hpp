// The event loop: sd-event with signals through signalfd, one timer, and one epoll of our own for
// the many descriptors of units (an sd-event source costs 304 bytes each). One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "daemon/core/types.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::os {

class Loop {
public:
    Loop();  // throws std::system_error
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    [[nodiscard]] sd_event* get() const noexcept;  // for sd-bus; borrowed

    // CLOCK_MONOTONIC.
    [[nodiscard]] static core::TimePoint now() noexcept;

    // Blocks the signal for this thread and calls back on the loop when it comes. An empty handler
    // ends that (not from within the handler).
    void on_signal(int signal, std::function<void()> handler);

    // The one timer: calls on_time once when `at` has come; nullopt disarms. Accuracy 1 µs.
    void set_timer_handler(std::function<void()> handler);
    void arm(std::optional<core::TimePoint> at);

    // Level-triggered watch of a descriptor; `events` as for epoll. The caller keeps the
    // descriptor open until unwatch(). Safe to unwatch any descriptor from any handler. A second
    // watch of the same descriptor replaces the first. `what` must live as long: for stats(), and
    // for the log if the kernel refuses the watch for want of memory: then it is said once, and
    // asked for again until it is had.
    using Handler = std::function<void(std::uint32_t events)>;
    void watch(int fd, std::uint32_t events, Handler handler, const char* what = "descriptor");
    void unwatch(int fd) noexcept;

    // Runs `task` on the loop, soon; the only member that other threads may call.
    void post(std::function<void()> task);
    // Runs after the present batch of events, before the loop sleeps: for work to be done once.
    void defer(std::function<void()> task);
    // For what was refused at one moment (EMFILE, ENOMEM …): see Retries. Whoever asks for
    // something that may be gone by then looks whether it still is there.
    void try_again(std::function<bool()> attempt);

    // Called before a batch of work, again and again while there is no sleep, and before sleep.
    void set_work_hooks(std::function<void()> begins, std::function<void()> ends);

    int run();  // until exit(); returns its code
    void exit(int code);

    struct Stats {
        std::uint64_t wakeups = 0;
        std::chrono::microseconds worst_dispatch{};  // since start
        const char* worst_what = "";
    };
    [[nodiscard]] Stats stats() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
