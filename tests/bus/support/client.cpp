#include "tests/bus/support/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace reeve::bus::test {

using posix::check_sd;

posix::Fd bare_client(const std::string& socket, std::string_view first) {
    posix::Fd client{posix::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof(address.sun_path) - 1);
    posix::check(
        ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        "connect");
    std::string hello{"\0AUTH EXTERNAL ", 15};
    for (const char digit : std::to_string(::geteuid())) {
        hello += "3";
        hello += digit;  // hexadecimal of an ASCII digit
    }
    hello.append("\r\nBEGIN\r\n").append(first);
    posix::check(::send(client.get(), hello.data(), hello.size(), 0), "send");
    return client;
}

Client::Client(const std::string& address, bool bus_client) {
    sd_bus* made = nullptr;
    check_sd(sd_bus_new(&made), "new bus");
    bus_.reset(made);
    check_sd(sd_bus_set_address(made, address.c_str()), "address");
    check_sd(sd_bus_set_bus_client(made, bus_client ? 1 : 0), "bus client");
    check_sd(sd_bus_negotiate_fds(made, 1), "descriptors");
    check_sd(sd_bus_start(made), "start");
    // Until the connection stands: only then does the other end know of us.
    while (sd_bus_is_ready(made) == 0) {
        if (check_sd(sd_bus_process(made, nullptr), "process") == 0) {
            check_sd(sd_bus_wait(made, 10'000'000), "wait");
        }
    }
}

Answered Client::finish(posix::MessagePtr message) {
    sd_bus_error error{};
    sd_bus_message* reply = nullptr;
    const int result = sd_bus_call(bus_.get(), message.get(), 15'000'000, &error, &reply);
    Answered answered;
    answered.reply.reset(reply);
    if (result < 0) {
        answered.error = error.name != nullptr ? error.name : std::strerror(-result);
        answered.text = error.message != nullptr ? error.message : "";
    }
    sd_bus_error_free(&error);
    return answered;
}

std::string Client::property(const std::string& path, const char* interface, const char* name) {
    char* value = nullptr;
    sd_bus_error error{};
    const int result = sd_bus_get_property_string(bus_.get(), "org.reeve1", path.c_str(), interface,
                                                  name, &error, &value);
    std::string copy = result < 0 ? std::string{"error "} + error.name : value;
    sd_bus_error_free(&error);
    std::free(value);
    return copy;
}

void Client::match_all() {
    check_sd(sd_bus_call_method(bus_.get(), "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "AddMatch", nullptr, nullptr, "s",
                                "type='signal'"),
             "AddMatch");
}

posix::MessagePtr Client::signal(const char* member) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (std::chrono::steady_clock::now() < deadline) {
        sd_bus_message* message = nullptr;
        const int result = check_sd(sd_bus_process(bus_.get(), &message), "process");
        posix::MessagePtr owned{message};
        if (message != nullptr && sd_bus_message_is_signal(message, nullptr, member) > 0) {
            return owned;
        }
        if (result == 0) check_sd(sd_bus_wait(bus_.get(), 100'000), "wait");
    }
    return nullptr;
}

Ended run_program(const std::vector<std::string>& argv) {
    std::string command = "timeout -k 1 20";
    for (const std::string& word : argv) {
        command += " '";
        for (const char c : word) command += c == '\'' ? std::string{"'\\''"} : std::string{c};
        command += "'";
    }
    command += " 2>&1 </dev/null";
    Ended ended;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::system_error{errno, std::generic_category(), "popen"};
    char buffer[4096];
    while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), pipe)) {
        ended.output.append(buffer, got);
    }
    const int status = ::pclose(pipe);
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
}

}  // namespace reeve::bus::test
