// Reeve on D-Bus: the private socket always, the system or session bus when there is one. No call
// in it blocks; a bus that is frozen, killed or restarted delays nothing and is found again.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/bus/backend.hpp"
#include "daemon/core/action.hpp"

struct sd_event;

namespace reeve::bus {

struct Options {
    std::string socket;   // path of the private socket
    std::string address;  // of the message bus, "unix:…"; empty: none
    bool system = true;   // mode of the socket and who may control
    uid_t owner = 0;      // the daemon's user, may always control
    // Where passwd and group are; read at start, after Apply and at reconnect(), without NSS: only
    // local accounts count for access.
    std::string accounts = "/etc";
    // The private socket, listening already, from a predecessor; owned by the Bus from then on.
    // -1: bound anew.
    int listening = -1;
    // Takes each change of the requests as bytes for replay(), before it shows. Must not throw.
    std::function<void(std::string bytes)> record{};
};

class Bus {
public:
    Bus(sd_event* loop, Backend& backend, const Options& options);  // throws std::system_error
    ~Bus();
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;

    // The ids of requests are given by the Bus alone; whoever else asks the core uses 0.
    // News of the core, as they come; signals and PropertiesChanged go out after
    // what is due now, a few at a time, and leave most of the time to others.
    void report(const core::Report& report);
    void report(const core::EventReport& report);
    void devices_changed(const std::vector<std::string>& devices);
    void answer(const core::Answer& answer);
    void removed(core::UnitId unit, std::string_view name);
    void facts_changed(core::UnitId unit);  // MainPid, Status

    void reconnect();  // SIGUSR1
    [[nodiscard]] bool on_message_bus() const noexcept;

    // What must outlive the manager: the requests, and the socket on which clients queue up while
    // nobody serves it. Of a predecessor's: load() what it saved, replay() what it recorded after
    // that, in order; resume() once the core has handled all that was journaled. load() and
    // replay() throw std::invalid_argument; then nothing has changed.
    [[nodiscard]] std::string save() const;
    void load(std::string_view saved);
    void replay(std::string_view bytes);
    void resume();
    // The manager before us died then: PropertiesChanged goes out on the message bus for units that
    // have changed since.
    void took_over(core::TimePoint since);
    // Answers who asked for a set that the predecessor took over; before resume().
    void applied(core::RequestId request, const ApplyOutcome& outcome);
    // Answers who asked for ReExec; before resume().
    void came_up_by_reexec();
    [[nodiscard]] int listening() const noexcept;  // borrowed
    // From now on the socket's file stays when the Bus goes: a successor serves it.
    void keep_socket() noexcept;

    struct Stats {
        std::size_t clients = 0;    // on the private socket
        std::size_t listeners = 0;  // of these get signals
        std::size_t pending = 0;    // requests without an answer
        std::uint64_t signals = 0;  // sent, to all
    };
    [[nodiscard]] Stats stats() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::bus
