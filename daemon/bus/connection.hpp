// One sd-bus connection: to a client on the private socket, or to the message bus.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "daemon/bus/access.hpp"
#include "daemon/bus/backend.hpp"
#include "daemon/bus/properties.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::bus {

class Connection;
class Requests;

// What serving a call needs. Outlives every connection.
struct Context {
    Backend& backend;
    Access& access;
    Requests& requests;
    bool system;
    // What the object being shown is like; see objects.cpp.
    std::tuple<std::optional<UnitSnapshot>, std::optional<EventSnapshot>,
               std::optional<DeviceSnapshot>>
        shown{};
    std::shared_ptr<int> alive = std::make_shared<int>();  // for callbacks that may come too late
};

// One method call whose caller is known.
struct Call {
    Context& context;
    Connection& connection;
    sd_bus_message* message;  // borrowed
    const Credentials& caller;
    // What the name in a ReadFirst means, now that it has been read; empty: none was thrown yet.
    const std::string& meant;
};
// Thrown by a handler before it has done anything: it is called again when the instance of a
// template is known, or there is none.
struct ReadFirst {
    std::string instance;
};
// Answers the call, or keeps a reference to its message and answers later. Throws Refusal,
// std::system_error: that is the answer.
using Handler = void (*)(Call& call);

// Closed without flushing: a flush waits for a client that does not read.
using ConnectedBus = std::unique_ptr<sd_bus, posix::Release<sd_bus_close_unref>>;

class Connection {
public:
    Connection(Context& context, std::uint64_t id) noexcept : context_{context}, id_{id} {}
    virtual ~Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Serves the call now, or when its sender is known.
    virtual void serve(sd_bus_message* message, Handler handler) = 0;
    // True: signals go out on it.
    [[nodiscard]] virtual bool listens() const noexcept = 0;
    // The connection is of no use any more; its owner lets it go soon, not within this call.
    virtual void drop(const char* why) noexcept = 0;

    // Sends a message of ours, whatever waits already. descriptions: of units, in the message.
    void send(sd_bus_message* message, std::size_t descriptions = 0) noexcept;
    // Drops the client if it lets too much wait. To be called before more is made for it, so that
    // one burst, as when all units start, is never held against anybody.
    void check_backlog() noexcept;

    [[nodiscard]] sd_bus* bus() const noexcept { return bus_.get(); }
    [[nodiscard]] Context& context() const noexcept { return context_; }
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }  // never reused

protected:
    void run(sd_bus_message* message, Handler handler, const Credentials& caller,
             const std::string& meant = {}) noexcept;

    Context& context_;
    const std::uint64_t id_;
    ConnectedBus bus_;

private:
    void read_first(const std::string& instance, sd_bus_message* message, Handler handler,
                    const Credentials& caller);

    std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what comes later
    std::size_t descriptions_waiting_ = 0;                  // at most; since nothing waited
};

// The objects of org.reeve1.xml on this connection, in objects.cpp. Throws std::system_error.
void add_objects(Connection& connection);

}  // namespace reeve::bus
