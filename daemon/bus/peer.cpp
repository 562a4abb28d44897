#include "daemon/bus/peer.hpp"

#include <sys/socket.h>

#include <cstring>

#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::bus {

using posix::check;
using posix::check_sd;

namespace {

constexpr const char* our_name = ":1.0";  // sender of all that comes from us

ConnectedBus new_bus() {
    sd_bus* made = nullptr;
    check_sd(sd_bus_new(&made), "new bus connection");
    return ConnectedBus{made};
}

}  // namespace

Peer::Peer(Context& context, std::uint64_t id, sd_event* loop, posix::Fd socket, sd_id128_t server,
           std::function<void()> dropped)
    : Connection{context, id},
      caller_{peer_credentials(socket.get())},
      dropped_{std::move(dropped)} {
    bus_ = new_bus();
    sd_bus* const bus = bus_.get();
    check_sd(sd_bus_set_fd(bus, socket.get(), socket.get()), "private connection");
    (void)socket.release();  // the bus has it now
    check_sd(sd_bus_set_server(bus, 1, server), "private connection");
    check_sd(sd_bus_negotiate_fds(bus, 1), "private connection");
    check_sd(sd_bus_set_sender(bus, our_name), "private connection");
    check_sd(sd_bus_set_close_on_exit(bus, 0), "private connection");  // it would flush, and wait
    check_sd(sd_bus_set_connected_signal(bus, 1), "private connection");
    check_sd(sd_bus_add_filter(bus, nullptr, on_message, this), "private connection");
    add_objects(*this);
    add_driver(*this);
    check_sd(sd_bus_start(bus), "private connection");
    // As root sd-bus has raised this to 8 MiB: too much to hold for one who does not read.
    const int send_buffer = 128 << 10;
    const int fd = check_sd(sd_bus_get_fd(bus), "private connection");
    check(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)),
          "send buffer");
    check_sd(sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL), "private connection");
    sd_event_source* source = nullptr;
    check_sd(sd_event_add_defer(loop, &source, on_connected, this), "private connection");
    first_messages_.reset(source);
    check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "private connection");
}

// What came in one read with the end of the authentication lies in sd-bus's buffer (252): no
// descriptor tells of it, and the client may wait for its answer before it sends more.
int Peer::on_connected(sd_event_source* source, void* self) noexcept {
    constexpr int per_turn = 16;
    auto* const peer = static_cast<Peer*>(self);
    int left = per_turn, result = 1;
    while (left > 0 && result > 0) {
        result = sd_bus_process(peer->bus_.get(), nullptr);
        --left;
    }
    sd_event_source_set_enabled(source, result > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
    if (result < 0) peer->drop(std::strerror(-result));
    return 0;
}

void Peer::serve(sd_bus_message* message, Handler handler) {
    run(message, handler, caller_);
}

bool Peer::listens() const noexcept {
    return !is_dropped_ && (!is_bus_client_ || matches_ > 0) && sd_bus_is_ready(bus_.get()) > 0;
}

void Peer::drop(const char* why) noexcept {
    if (is_dropped_) return;
    is_dropped_ = true;
    log::debug("bus: client {} of uid {} dropped: {}", id_, caller_.uid, why);
    sd_bus_close(bus_.get());
    posix::guarded("drop client", dropped_);
}

// Sees every message before the objects do.
int Peer::on_message(sd_bus_message* message, void* self, sd_bus_error*) noexcept {
    auto* const peer = static_cast<Peer*>(self);
    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Connected") > 0) {
        sd_event_source_set_enabled(peer->first_messages_.get(), SD_EVENT_ON);
    } else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") >
               0) {
        peer->drop("it has gone");
    } else {
        peer->check_backlog();
    }
    return 0;
}

}  // namespace reeve::bus
