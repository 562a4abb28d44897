// Reeve on D-Bus: the private socket always, the system or session bus when there is one. No call
// in it blocks; a bus that is frozen, killed or restarted delays nothing and is found again.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
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
};

class Bus {
public:
    Bus(sd_event* loop, Backend& backend, const Options& options);  // throws std::system_error
    ~Bus();
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;

    // The ids of requests are given by the Bus alone; whoever else asks the core uses 0.
    // News of the core, as they come; signals and PropertiesChanged go out once a loop turn.
    void report(const core::Report& report);
    void report(const core::EventReport& report);
    void devices_changed(const std::vector<std::string>& devices);
    void answer(const core::Answer& answer);
    void removed(core::UnitId unit, std::string_view name);
    void facts_changed(core::UnitId unit);  // MainPid, Status

    void reconnect();  // SIGUSR1
    [[nodiscard]] bool on_message_bus() const noexcept;

    struct Stats {
        std::size_t clients = 0;  // on the private socket
        std::size_t pending = 0;  // requests without an answer
    };
    [[nodiscard]] Stats stats() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::bus
