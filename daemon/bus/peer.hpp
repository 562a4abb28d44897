// A client on the private socket. Who he is says the kernel; for clients that expect a bus daemon
// at the other end (busctl, gdbus, libdbus) it answers as one: see driver.cpp.
#pragma once

#include <functional>

#include "daemon/bus/connection.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::bus {

class Peer final : public Connection {
public:
    // server: 128-bit id of this server. dropped: called once, when the client has gone or is of
    // no use; the peer must not be destroyed within it. Throws std::system_error.
    Peer(Context& context, std::uint64_t id, sd_event* loop, posix::Fd socket, sd_id128_t server,
         std::function<void()> dropped);

    void serve(sd_bus_message* message, Handler handler) override;
    [[nodiscard]] bool listens() const noexcept override;
    void drop(const char* why) noexcept override;

    [[nodiscard]] bool is_dropped() const noexcept { return is_dropped_; }
    [[nodiscard]] uid_t user() const noexcept { return caller_.uid; }

    // For driver.cpp.
    [[nodiscard]] const Credentials& caller() const noexcept { return caller_; }
    [[nodiscard]] std::string unique_name() const { return ":1." + std::to_string(id_); }
    void said_hello() noexcept { is_bus_client_ = true; }
    void match_added() noexcept { ++matches_; }
    void match_removed() noexcept { matches_ -= matches_ > 0 ? 1 : 0; }

private:
    static int on_message(sd_bus_message* message, void* self, sd_bus_error* error) noexcept;
    static int on_connected(sd_event_source* source, void* self) noexcept;

    Credentials caller_;
    std::function<void()> dropped_;
    bool is_dropped_ = false;
    bool is_bus_client_ = false;  // said Hello: wants signals only after AddMatch
    unsigned matches_ = 0;
    posix::SourcePtr first_messages_;
};

// org.freedesktop.DBus, as far as it makes sense between two.
void add_driver(Peer& peer);

}  // namespace reeve::bus
