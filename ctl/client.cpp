#include "ctl/client.hpp"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "ctl/message.hpp"
#include "daemon/api/names.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::ctl {

namespace {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the deadlines of sd-bus
using posix::check_sd;

constexpr Duration reconnect_limit = std::chrono::seconds{5};
// A manager that is just being replaced has a socket that refuses for a moment.
constexpr Duration refusal_limit = std::chrono::milliseconds{300};
// What is asked again may have its answer already: that gets the time to come.
constexpr Duration last_moment = std::chrono::seconds{1};

// Closed without a flush: to one who does not answer, that would wait for ever.
using LinePtr = std::unique_ptr<sd_bus, posix::Release<sd_bus_close_unref>>;

// ── addresses ──────────────────────────────────────────────────────────────────────────────────

std::string escaped(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || std::strchr("-_/.\\*", c) != nullptr;
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        }
    }
    return out;
}

// Only -T, which ssh and dropbear's dbclient share.
std::string ssh_address(const Place& place) {
    std::vector<std::string> words{"-T", place.host, "reevectl", "bridge"};
    words.insert(words.end(), place.far_options.begin(), place.far_options.end());
    std::string address = "unixexec:path=ssh";
    for (std::size_t i = 0; i < words.size(); ++i) {
        address += ",argv" + std::to_string(i + 1) + "=" + escaped(words[i]);
    }
    return address;
}

// ── failures ───────────────────────────────────────────────────────────────────────────────────

Failure no_manager(const Place& place, int error) {
    if (!place.host.empty()) {
        return {code::no_daemon, "NoManager",
                "no manager on " + place.host + ": " + std::strerror(error) + "; try: ssh " +
                    place.host + " reevectl version"};
    }
    if (!place.bus.empty()) {
        return {code::no_daemon, "NoManager",
                "no manager on the bus " + place.bus + ": " + std::strerror(error) +
                    "; leave out --bus to use its socket"};
    }
    if (error == EACCES || error == EPERM) {
        return {code::refused, "AccessDenied",
                "no access to " + place.socket + "; try as the user who runs this manager"};
    }
    return {code::no_daemon, "NoManager",
            "no manager at " + place.socket + " (" + std::strerror(error) +
                "); start reeved, or name another: --socket PATH, --system, --user"};
}

Failure no_answer() {
    return {code::no_daemon, "NoManager",
            "the manager does not answer; is it stopped or overloaded?"};
}

// 0, or the errno of a connection that is gone (sd_bus_send(3)).
int sent_or_lost(int result) {
    if (result == -ECONNRESET || result == -ENOTCONN) return -result;
    check_sd(result, "send a D-Bus call");
    return 0;
}

// Nobody is there to answer: said by us, by the bus daemon, or by sd-bus when the line breaks.
bool is_lost(std::string_view error_name) noexcept {
    return error_name == SD_BUS_ERROR_NO_REPLY || error_name == SD_BUS_ERROR_DISCONNECTED ||
           error_name == SD_BUS_ERROR_SERVICE_UNKNOWN ||
           error_name == SD_BUS_ERROR_NAME_HAS_NO_OWNER;
}

int exit_code_of(std::string_view error_name) noexcept {
    if (error_name == api::error::no_such_unit) return code::no_such_unit;
    if (error_name == api::error::access_denied || error_name == SD_BUS_ERROR_ACCESS_DENIED) {
        return code::refused;
    }
    if (error_name == api::error::still_waiting) return code::timed_out;
    if (error_name == api::error::invalid_argument || error_name == SD_BUS_ERROR_INVALID_ARGS) {
        return code::usage;
    }
    return code::failed;
}

Failure failure_of(const sd_bus_error& error) {
    const std::string_view full = error.name;
    const std::string message = error.message != nullptr ? error.message : error.name;
    const auto dot = full.rfind('.');
    return {exit_code_of(full), std::string{full.substr(dot + 1)}, message};
}

std::string bus_address(const std::string& bus) {
    const auto known = [](const char* variable, const char* standard) -> std::string {
        const char* address = std::getenv(variable);
        return address != nullptr ? address : standard;
    };
    if (bus == "system") {
        return known("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket");
    }
    if (bus != "session") return bus;
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const std::string standard = "unix:path=" + escaped(runtime != nullptr ? runtime : "") + "/bus";
    return known("DBUS_SESSION_BUS_ADDRESS", standard.c_str());
}

struct Pending {
    Request* request = nullptr;
    posix::SlotPtr slot;
    posix::MessagePtr reply;
    // Kept here: those of sd-bus do not run before it is let in, and sd_bus_process(3) returns 0
    // when it has handled one.
    Clock::time_point deadline = Clock::time_point::max();

    bool is_open() const { return !request->answered; }
};

int on_reply(sd_bus_message* message, void* pending, sd_bus_error*) noexcept {
    static_cast<Pending*>(pending)->reply.reset(sd_bus_message_ref(message));
    return 0;
}

Clock::time_point deadline_of(const Request& request, Clock::time_point now, Duration elapsed) {
    constexpr auto never = Clock::time_point::max();
    const Duration left = std::max(request.patience - elapsed, last_moment);
    return left < std::chrono::duration_cast<Duration>(never - now) ? now + left : never;
}

bool is_late(const Request& request, Clock::time_point now) {
    if (request.answered || request.patience == forever || !request.first_sent) return false;
    const auto at = std::chrono::duration_cast<Duration>(now.time_since_epoch());
    return at - *request.first_sent >= request.patience;
}

// A request that is sent again has less time left, in case that the first try reached nobody.
Argument with_time_left(Argument argument, Duration elapsed) {
    for (Argument::Entry& entry : argument.entries) {
        if (std::string_view{entry.key} != api::option::timeout) continue;
        const std::uint64_t given = entry.value.natural();
        const auto spent = static_cast<std::uint64_t>(elapsed.count());
        if (given != UINT64_MAX) entry.value = Value{given - std::min(given, spent)};
    }
    return argument;
}

}  // namespace

Argument& Argument::set(const char* key, const char* type, Value content) {
    entries.push_back({key, type, std::move(content)});
    return *this;
}

struct Client::Impl {
    Impl(const Place& of, Away tell) : place{of}, away{std::move(tell)} {}

    Place place;
    Away away;
    LinePtr bus;
    unsigned generation = 0;  // of the connection: what was sent over an older one is lost
    bool was_ready = false;   // a manager has been there
    std::optional<Clock::time_point> lost_since;    // no answer since then
    std::optional<Clock::time_point> nobody_since;  // and nobody who takes connections
    posix::SlotPtr probe;

    bool is_private() const { return place.host.empty() && place.bus.empty(); }
    int connect();
    void heard();
    int lost(int error, std::span<const Pending> pending, const sigset_t* mask);
    void say_hello();
    int send(Pending& pending);
    int ask_for_life();
    int take_reply(Pending& pending);
    static void give_up(Pending& pending);
    int turn(Clock::time_point until, const sigset_t* mask);
    int exchange(std::vector<Pending>& pending, unsigned& sent_over, Clock::time_point until,
                 const sigset_t* mask);
};

// 0, or the errno.
int Client::Impl::connect() {
    sd_bus* raw = nullptr;
    check_sd(sd_bus_new(&raw), "make a bus connection");
    LinePtr fresh{raw};
    const bool is_bus = !place.bus.empty();
    const std::string address = !place.host.empty() ? ssh_address(place)
                                : is_bus            ? bus_address(place.bus)
                                                    : "unix:path=" + escaped(place.socket);
    check_sd(sd_bus_set_bus_client(raw, is_bus ? 1 : 0), "set up the connection");
    check_sd(sd_bus_negotiate_fds(raw, place.host.empty() ? 1 : 0), "set up the connection");
    if (sd_bus_set_address(raw, address.c_str()) < 0) {
        throw usage_error("not a D-Bus address: " + address);
    }
    const int result = sd_bus_start(raw);
    if (result < 0) return -result;
    bus = std::move(fresh);
    if (!is_bus) say_hello();
    ++generation;
    // Who takes connections is there, or will be: its keeper holds the socket.
    was_ready = was_ready || is_private();
    return 0;
}

// Who says Hello on the private socket gets no signal unasked. Nothing waits for the answer.
void Client::Impl::say_hello() {
    sd_bus_message* raw = nullptr;
    constexpr const char* driver = "org.freedesktop.DBus";
    check_sd(sd_bus_message_new_method_call(bus.get(), &raw, nullptr, "/org/freedesktop/DBus",
                                            driver, "Hello"),
             "make a D-Bus call");
    const posix::MessagePtr message{raw};
    check_sd(sd_bus_message_set_expect_reply(raw, 0), "make a D-Bus call");
    sd_bus_send(bus.get(), raw, nullptr);  // fails when the connection has: that is told later
}

void Client::Impl::heard() {
    lost_since.reset();
    nobody_since.reset();
}

// Throws when it is not worth trying again; else waits a moment: 0 or EINTR. While somebody takes
// connections a manager will be there: as soon as the machine lets it, and as long as a request may
// take. Who lets nobody in (EPERM, EACCES) will not change his mind.
int Client::Impl::lost(int error, std::span<const Pending> pending, const sigset_t* mask) {
    const auto now = Clock::now();
    if (bus && is_private() && error != EPERM && error != EACCES)
        nobody_since.reset();
    else if (!nobody_since)
        nobody_since = now;
    probe.reset();
    bus.reset();
    if (!lost_since) lost_since = now;
    // Lost even while the connection was made, or no room for another one: somebody was there.
    const bool full = error == EAGAIN && is_private();
    if (place.host.empty() && (error == EPIPE || error == ECONNRESET || full)) was_ready = true;
    const Duration limit = was_ready               ? reconnect_limit
                           : error == ECONNREFUSED ? refusal_limit
                                                   : Duration{0};
    if (nobody_since && now - *nobody_since >= limit)
        throw full ? no_answer() : no_manager(place, error);
    const auto late = [&](const Pending& one) { return is_late(*one.request, now); };
    if (now - *lost_since >= last_moment && std::ranges::any_of(pending, late)) throw no_answer();
    if (away) away(std::chrono::duration_cast<Duration>(now - *lost_since));
    const bool soon = now - *lost_since < reconnect_limit;
    const timespec moment{0, soon ? 10'000'000 : 250'000'000};
    return ::ppoll(nullptr, 0, &moment, mask) == -1 ? errno : 0;
}

// 0, or why it could not: the connection is gone.
int Client::Impl::send(Pending& pending) {
    Request& request = *pending.request;
    const auto at = Clock::now();
    const auto now = std::chrono::duration_cast<Duration>(at.time_since_epoch());
    const Duration elapsed = now - request.first_sent.value_or(now);
    request.first_sent = now - elapsed;
    sd_bus_message* raw = nullptr;
    const char* destination = place.bus.empty() ? nullptr : api::bus_name;
    check_sd(sd_bus_message_new_method_call(
                 bus.get(), &raw, destination, api::path::manager,
                 request.interface != nullptr ? request.interface : api::interface::manager,
                 request.member.c_str()),
             "make a D-Bus call");
    const posix::MessagePtr message{raw};
    for (const Argument& argument : request.arguments) {
        append(raw, elapsed == Duration{0} ? argument : with_time_left(argument, elapsed));
    }
    sd_bus_slot* slot = nullptr;
    const int sent = sd_bus_call_async(bus.get(), &slot, raw, on_reply, &pending, UINT64_MAX);
    pending.slot.reset(slot);
    pending.deadline = deadline_of(request, at, elapsed);
    return sent_or_lost(sent);
}

// Comes after the requests. Its answer tells that the manager has heard them all and lives on: the
// next loss is another one. An answer to a request may take for ever.
int Client::Impl::ask_for_life() {
    sd_bus_message* raw = nullptr;
    const char* destination = place.bus.empty() ? nullptr : api::bus_name;
    check_sd(sd_bus_message_new_method_call(bus.get(), &raw, destination, api::path::manager,
                                            "org.freedesktop.DBus.Peer", "Ping"),
             "make a D-Bus call");
    const posix::MessagePtr message{raw};
    const auto on_answer = [](sd_bus_message* answer, void* self, sd_bus_error*) {
        if (sd_bus_message_is_method_error(answer, nullptr) == 0) static_cast<Impl*>(self)->heard();
        return 0;
    };
    sd_bus_slot* slot = nullptr;
    const int sent = sd_bus_call_async(bus.get(), &slot, raw, on_answer, this, UINT64_MAX);
    probe.reset(slot);
    return sent_or_lost(sent);
}

// 0, or ENOTCONN: the answer says that nobody was there to answer.
int Client::Impl::take_reply(Pending& pending) {
    const posix::MessagePtr reply = std::move(pending.reply);
    pending.slot.reset();
    Request& request = *pending.request;
    if (const sd_bus_error* error = sd_bus_message_get_error(reply.get())) {
        if (is_lost(error->name)) return ENOTCONN;
        request.failure = failure_of(*error);
    } else {
        request.reply = read_arguments(reply.get(), request.fd);
    }
    request.answered = true;
    was_ready = true;
    heard();
    return 0;
}

void Client::Impl::give_up(Pending& pending) {
    pending.slot.reset();
    pending.request->failure = no_answer();
    pending.request->answered = true;
}

// Works on the connection, or sleeps until it has something: 0; or `until`: ETIME. Else the errno.
int Client::Impl::turn(Clock::time_point until, const sigset_t* mask) {
    const int worked = sd_bus_process(bus.get(), nullptr);
    if (worked < 0) return -worked;
    if (sd_bus_is_ready(bus.get()) > 0) was_ready = true;
    if (worked > 0) return 0;
    const int events = sd_bus_get_events(bus.get());
    const int fd = sd_bus_get_fd(bus.get());
    if (events < 0 || fd < 0) return ENOTCONN;
    std::uint64_t deadline = UINT64_MAX;
    sd_bus_get_timeout(bus.get(), &deadline);
    if (deadline != UINT64_MAX) {
        until = std::min(until, Clock::time_point{Duration{static_cast<std::int64_t>(deadline)}});
    }
    pollfd wait{fd, static_cast<short>(events), 0};
    const auto left =
        std::max(std::chrono::duration_cast<Duration>(until - Clock::now()), Duration{0});
    const timespec time{left.count() / 1'000'000, left.count() % 1'000'000 * 1'000};
    const bool no_end = until == Clock::time_point::max();
    const int ready = ::ppoll(&wait, 1, no_end ? nullptr : &time, mask);
    return ready == -1 ? errno : ready == 0 ? ETIME : 0;
}

// One step: connected, all sent, what has come taken. 0, EINTR, or why the connection is gone.
int Client::Impl::exchange(std::vector<Pending>& pending, unsigned& sent_over,
                           Clock::time_point until, const sigset_t* mask) {
    if (!bus || sent_over != generation) {
        // One that looked up meanwhile may have taken our answer in, and lost the connection then.
        for (Pending& one : pending) {
            if (one.reply) take_reply(one);
        }
        if (std::ranges::none_of(pending, &Pending::is_open)) return 0;
    }
    if (!bus) {
        if (const int error = connect(); error != 0) return error;
    }
    if (sent_over != generation) {
        for (Pending& one : pending) {
            if (!one.is_open()) continue;
            if (const int error = send(one); error != 0) return error;
        }
        if (lost_since) {
            if (const int error = ask_for_life(); error != 0) return error;
        }
        sent_over = generation;
    }
    // One that looked up meanwhile, over the same connection, may have taken our answer in.
    const bool has_come =
        std::ranges::any_of(pending, [](const Pending& one) { return !!one.reply; });
    // ssh may ask for a password first: the time of an answer counts from when it is through.
    const bool is_through = place.host.empty() || sd_bus_is_ready(bus.get()) > 0;
    constexpr auto none = Clock::time_point::max();
    for (Pending& one : pending) {
        if (!one.is_open()) continue;
        if (!is_through)
            one.deadline = none;
        else if (one.deadline == none)
            one.deadline = deadline_of(*one.request, Clock::now(), Duration{0});
        until = std::min(until, one.deadline);
    }
    const int result = has_come ? 0 : turn(until, mask);
    for (Pending& one : pending) {
        if (!one.reply) continue;
        if (const int error = take_reply(one); error != 0) return error;
    }
    if (result != ETIME) return result;
    for (Pending& one : pending) {
        if (one.is_open() && Clock::now() >= one.deadline) give_up(one);
    }
    return 0;
}

Client::Client(const Place& place, Away away)
    : impl_{std::make_unique<Impl>(place, std::move(away))} {}
Client::~Client() = default;

void Client::perform(std::span<Request> requests, const Watcher& watcher) {
    std::vector<Pending> pending(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) pending[i].request = &requests[i];
    const auto begin = Clock::now();
    const auto after = [&](Clock::time_point now) {
        const bool never = !watcher.look || watcher.interval == forever;
        return never ? Clock::time_point::max() : now + watcher.interval;
    };
    auto next_look = after(begin);
    unsigned sent_over = 0;
    while (std::ranges::any_of(pending, &Pending::is_open)) {
        int error = impl_->exchange(pending, sent_over, next_look, watcher.mask);
        if (error != 0 && error != EINTR) {
            for (Pending& one : pending) one.slot.reset();
            error = impl_->lost(error, pending, watcher.mask);
        }
        if (watcher.look && (error == EINTR || Clock::now() >= next_look)) {
            watcher.look(std::chrono::duration_cast<Duration>(Clock::now() - begin));
            next_look = after(Clock::now());
        }
    }
}

std::vector<Value> Client::call(Request request) {
    perform(request);
    if (request.failure) throw *request.failure;
    return std::move(request.reply);
}

std::vector<Value> Client::call(std::string member, std::vector<Argument> arguments) {
    Request request;
    request.member = std::move(member);
    request.arguments = std::move(arguments);
    return call(std::move(request));
}

std::string Client::new_id() {
    constexpr std::string_view hex = "0123456789abcdef";
    unsigned char bytes[16];
    posix::check(::getrandom(bytes, sizeof bytes, 0), "draw a request id");
    std::string id;
    for (const unsigned char byte : bytes) {
        id += hex[byte >> 4U];
        id += hex[byte & 15U];
    }
    return id;
}

posix::Fd connect_socket(const Place& place) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (place.socket.size() >= sizeof address.sun_path) {
        throw usage_error("the path of the socket is too long: " + place.socket);
    }
    place.socket.copy(address.sun_path, sizeof address.sun_path - 1);
    posix::Fd fd{posix::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket")};
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1) {
        throw no_manager(place, errno);
    }
    return fd;
}

}  // namespace reeve::ctl
