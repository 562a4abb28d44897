// Talks to the manager. The only file of reevectl that knows D-Bus.
#pragma once

#include <signal.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ctl/duration.hpp"
#include "ctl/failure.hpp"
#include "ctl/place.hpp"
#include "ctl/value.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::ctl {

// An argument and its D-Bus type: "s", "i", "t", "as", "a{ss}"; or the entries of an a{sv}.
struct Argument {
    Argument(const char* type, Value content) : signature{type}, value{std::move(content)} {}
    Argument(std::string_view text) : signature{"s"}, value{text} {}
    Argument(const std::string& text) : signature{"s"}, value{text} {}
    Argument(const char* text) : signature{"s"}, value{text} {}

    struct Entry {
        const char* key = nullptr;
        const char* signature = nullptr;
        Value value;
    };
    static Argument dictionary() { return {"a{sv}", Value{}}; }
    Argument& set(const char* key, const char* type, Value content);

    const char* signature;
    Value value;
    std::vector<Entry> entries;
};

// One call of a method, and in the end its reply or why there is none.
struct Request {
    std::string member;
    std::vector<Argument> arguments;
    Duration patience = std::chrono::seconds{25};  // then: the manager does not answer
    const char* interface = nullptr;               // nullptr: org.reeve1.Manager

    bool answered = false;
    std::optional<Duration> first_sent{};  // CLOCK_MONOTONIC: from then on deadlines count
    std::vector<Value> reply;              // the arguments of the answer; of type h: see `fd`
    posix::Fd fd;
    std::optional<Failure> failure;  // then `reply` is empty
};

// Looks up while requests wait: called with the time since they were sent, every `interval` and
// when a signal was caught. May itself make calls.
struct Watcher {
    Duration interval = forever;
    std::function<void(Duration)> look;
    const sigset_t* mask = nullptr;  // of signals while asleep; nullptr: as it is
};

class Client {
public:
    // away: called again and again while the manager is gone, with the time since it went.
    using Away = std::function<void(Duration)>;
    explicit Client(const Place& place, Away away = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Sends all, waits for all. A connection that is lost is made anew, and what has no answer is
    // sent again: the `id` in its options makes that harmless. Failures are left in the requests.
    // Throws Failure when for 5 s nobody takes connections (at once where nobody ever did), nobody
    // is let in or there is no room for one more; or when they are taken and lost for as long as a
    // request has patience. Taken, and no answer by then: a failure of the request.
    void perform(std::span<Request> requests, const Watcher& watcher = {});
    void perform(Request& request, const Watcher& watcher = {}) { perform({&request, 1}, watcher); }

    // One request: its reply. Throws its failure.
    std::vector<Value> call(Request request);
    std::vector<Value> call(std::string member, std::vector<Argument> arguments = {});

    // What makes a request one request, also when it is sent twice.
    static std::string new_id();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The private socket of `place`, connected, for `bridge`. Throws Failure (no manager, access).
posix::Fd connect_socket(const Place& place);

}  // namespace reeve::ctl
