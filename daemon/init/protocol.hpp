// What keeper and manager say to each other: datagrams on a SEQPACKET pair, descriptors beside
// them (SCM_RIGHTS). Plain data; both are on one machine.
#pragma once

#include <cstdint>

namespace reeve::init {

// Descriptors of the manager when the keeper starts it. It believes in them only if REEVE_KEEPER in
// its environment is the pid of its parent.
enum Inherited : int {
    socket_fd = 3,
    state_fd = 4,  // layout.hpp
    exits_fd = 5,  // eventfd: the keeper has stored an exit
    busy_fd = 6,   // timerfd: armed before a batch of work, disarmed before sleep; fires: stuck
};

enum class Message : std::uint32_t {
    // to the keeper
    keep = 1,       // keys with descriptors; one kept before under the key is closed
    drop = 2,       // keys
    give_back = 3,  // answered with fds…, fds_end; the keeper goes on keeping them
    ready = 4,      // the manager has taken over
    ended = 5,   // keys[0]: exit code, keys[1] if there: LastStep; done when the manager has gone
    reexec = 6,  // a path of `count` bytes in `keys`: start that binary in my place, now
    // to the manager
    fds = 16,  // keys with descriptors
    fds_end = 17,
};

inline constexpr std::uint32_t most_keys = 253;  // descriptors the kernel takes in one message

struct Packet {
    Message type;
    std::uint32_t count;  // of keys, or bytes of a path
    std::uint64_t keys[most_keys];
};
inline constexpr std::uint32_t most_path = 1024;

// What PID 1 does after the end; a guest exits with the code whatever is asked.
enum class LastStep : std::uint64_t {
    exit = 0,  // PID 1 of the machine: power off
    poweroff = 1,
    reboot = 2,
    halt = 3,
    kexec = 4,
};

// What a descriptor is, as its key says. No key is 0. Unit 0: the manager's own.
enum class Kind : std::uint8_t {
    out_pipe = 1,  // read ends
    err_pipe = 2,
    log_ring = 3,  // run 0
    notify_socket = 4,
    ready_pipe = 5,
    bus_socket = 6,  // unit 0
};
constexpr std::uint64_t key(std::uint32_t unit, std::uint64_t run, Kind kind) noexcept {
    return std::uint64_t{unit} << 32U | (run & 0xffffffU) << 8U | static_cast<std::uint64_t>(kind);
}
constexpr Kind kind_of(std::uint64_t key) noexcept {
    return static_cast<Kind>(key & 0xffU);
}

}  // namespace reeve::init
