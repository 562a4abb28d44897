// Clients: sd-bus in the test's own thread, and real programs.
#pragma once

#include <systemd/sd-bus.h>

#include <string>
#include <string_view>
#include <vector>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::bus::test {

inline constexpr const char* manager_path = "/org/reeve1";
inline constexpr const char* manager_interface = "org.reeve1.Manager";

struct Answered {
    std::string error;  // name; empty: none
    std::string text;
    posix::MessagePtr reply;
};

// Speaks just enough D-Bus to be a client of the private socket. `first`: sent in one with the end
// of the authentication. It never reads. Throws std::system_error.
posix::Fd bare_client(const std::string& socket, std::string_view first = {});

class Client {
public:
    // bus_client: says Hello, as to a bus daemon. Throws std::system_error.
    explicit Client(const std::string& address, bool bus_client = false);

    // Calls a method of the manager and waits for the answer.
    template <class... Args>
    Answered call(const char* method, const char* types, Args... args) {
        return finish(prepare(method, types, args...));
    }
    // Sends the call; nobody waits for the answer.
    template <class... Args>
    void send(const char* method, const char* types, Args... args) {
        const posix::MessagePtr message = prepare(method, types, args...);
        std::uint64_t cookie = 0;  // without it the call would say that no answer is expected
        posix::check_sd(sd_bus_send(bus_.get(), message.get(), &cookie), "send");
        posix::check_sd(sd_bus_flush(bus_.get()), "flush");
    }
    std::string property(const std::string& path, const char* interface, const char* name);
    void match_all();  // AddMatch
    // The next signal of this name; nullptr: none came in time.
    posix::MessagePtr signal(const char* member);

    [[nodiscard]] sd_bus* bus() const noexcept { return bus_.get(); }

private:
    template <class... Args>
    posix::MessagePtr prepare(const char* method, const char* types, Args... args) {
        sd_bus_message* made = nullptr;
        posix::check_sd(sd_bus_message_new_method_call(bus_.get(), &made, "org.reeve1",
                                                       manager_path, manager_interface, method),
                        "new call");
        posix::MessagePtr message{made};
        posix::check_sd(sd_bus_message_append(made, types, args...), "append");
        return message;
    }
    Answered finish(posix::MessagePtr message);

    posix::BusPtr bus_;
};

struct Ended {
    int code = 0;
    std::string output;  // stdout and stderr
};
// Runs a program to its end; 127: there is none. Kills it after 20 s.
Ended run_program(const std::vector<std::string>& argv);

}  // namespace reeve::bus::test
