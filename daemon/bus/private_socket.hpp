// The private socket: listens, and keeps the clients.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "daemon/bus/peer.hpp"

namespace reeve::bus {

class PrivateSocket {
public:
    // Serves `listening` if it is bound at `path`; else binds `path` with `mode`: what a dead
    // manager left there is replaced. Throws std::system_error: EADDRINUSE when a living one
    // serves it.
    PrivateSocket(sd_event* loop, Context& context, std::string path, mode_t mode,
                  posix::Fd listening);
    ~PrivateSocket();
    PrivateSocket(const PrivateSocket&) = delete;
    PrivateSocket& operator=(const PrivateSocket&) = delete;

    void for_each(const std::function<void(Connection&)>& body);
    [[nodiscard]] bool anyone_listens() const noexcept;
    [[nodiscard]] std::size_t listeners() const noexcept;
    [[nodiscard]] int listening() const noexcept { return socket_.get(); }
    void keep(bool keeps) noexcept { keeps_ = keeps; }  // the file stays behind
    [[nodiscard]] std::size_t clients() const noexcept { return peers_.size(); }

private:
    static int on_connect(sd_event_source*, int, std::uint32_t, void* self) noexcept;
    static int on_pause_over(sd_event_source*, std::uint64_t, void* self) noexcept;
    static int on_reap(sd_event_source*, void* self) noexcept;
    void accept_all();
    void add(posix::Fd socket);
    void turn_away();
    void reap();

    sd_event* loop_;
    Context& context_;
    std::string path_;
    bool keeps_;
    sd_id128_t server_id_{};
    posix::Fd socket_;
    posix::Fd spare_;  // given up for a moment when descriptors have run out
    std::list<Peer> peers_;
    std::uint64_t last_id_ = 0;
    bool is_short_ = false;  // the last client was not let in; said once
    posix::SourcePtr incoming_, pause_, reaper_;
};

}  // namespace reeve::bus
