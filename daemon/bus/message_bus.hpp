// The system or session bus. Found when it comes, lost and found again for ever; nothing here
// waits.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/bus/connection.hpp"
#include "daemon/bus/socket_watch.hpp"

namespace reeve::bus {

// One connection to it; when it breaks, a new object takes its place.
class MessageBus final : public Connection {
public:
    struct News {
        std::function<void()> dropped;                 // once; not to be destroyed within it
        std::function<void(const char* why)> no_name;  // another has the name, or we may not
        std::function<void()> has_name;
    };
    // Begins to connect. Throws std::system_error: nobody listens there.
    MessageBus(Context& context, std::uint64_t id, sd_event* loop, const std::string& address,
               News news);

    void serve(sd_bus_message* message, Handler handler) override;
    [[nodiscard]] bool listens() const noexcept override { return owns_name_; }
    void drop(const char* why) noexcept override;
    [[nodiscard]] bool is_dropped() const noexcept { return is_dropped_; }

private:
    struct Parked {
        posix::MessagePtr message;
        Handler handler;
    };
    // A client of the bus, by its unique name, until it leaves.
    struct Client {
        MessageBus& bus;
        std::string name;
        bool known = false;
        Credentials credentials;
        std::vector<Parked> parked;  // calls that came before the credentials
        posix::SlotPtr gone, query;
    };
    static int on_message(sd_bus_message* message, void* self, sd_bus_error*) noexcept;
    static int on_name_reply(sd_bus_message* reply, void* self, sd_bus_error*) noexcept;
    static int on_client_gone(sd_bus_message* message, void* client, sd_bus_error*) noexcept;
    static int on_credentials(sd_bus_message* reply, void* client, sd_bus_error*) noexcept;
    void request_name();
    void name_reply(sd_bus_message* reply);
    Client& meet(const std::string& name);
    void learn(Client& client, sd_bus_message* reply);
    void make_room();

    News news_;
    bool is_dropped_ = false;
    bool owns_name_ = false;
    std::map<std::string, Client, std::less<>> clients_;
};

// Keeps one MessageBus alive. While nobody listens it tries again with growing pauses, and after
// a minute only watches for the socket, so that a board without a bus sleeps.
class MessageBusLink {
public:
    // named: called each time the name has become ours.
    MessageBusLink(sd_event* loop, Context& context, const std::string& address,
                   std::function<void()> named = {});

    void reconnect();  // now
    [[nodiscard]] bool has_name() const noexcept { return current_ && current_->listens(); }
    [[nodiscard]] MessageBus* current() const noexcept { return current_.get(); }

private:
    static int on_time(sd_event_source*, std::uint64_t, void* self) noexcept;
    void try_again();
    void connect();
    void failed(const std::system_error& error);
    void let_go();
    void arm_timer();
    void say_no_name(const char* why);
    void got_name();

    std::function<void()> named_;
    sd_event* loop_;
    Context& context_;
    std::string address_;
    SocketWatch watch_;
    std::unique_ptr<MessageBus> current_;
    posix::SourcePtr timer_;
    std::uint64_t generation_ = 0;
    unsigned attempts_ = 0;  // since the name was ours, or somebody began to listen
    std::string said_;       // why we have no name; said once
};

}  // namespace reeve::bus
