// What clients ask a bus daemon for before they come to the point, answered between two: the
// client is :1.N, we are :1.0 and own org.reeve1.
#include <unistd.h>

#include <array>
#include <string_view>

#include "daemon/api/names.hpp"
#include "daemon/bus/append.hpp"
#include "daemon/bus/peer.hpp"
#include "hal/posix/callback.hpp"

namespace reeve::bus {

namespace {

constexpr const char* driver = "org.freedesktop.DBus";

int send(sd_bus_message* reply) {
    sd_bus_message_set_sender(reply, driver);
    return sd_bus_send(nullptr, reply, nullptr);
}

template <class... Args>
int answer(sd_bus_message* call, const char* types, Args... args) {
    const posix::MessagePtr reply = new_reply(call);
    if (*types != '\0') append(reply.get(), types, args...);
    return send(reply.get());
}

Peer& peer_of(void* userdata) {
    return *static_cast<Peer*>(userdata);
}

std::string argument(sd_bus_message* call) {
    const char* text = nullptr;
    posix::check_sd(sd_bus_message_read(call, "s", &text), "read name");
    return text;
}

bool is_us(std::string_view name) {
    return name == api::bus_name || name == ":1.0" || name == driver;
}

std::string owner(const Peer& peer, const std::string& name) {
    if (name == driver) return driver;
    if (is_us(name)) return ":1.0";
    return name == peer.unique_name() ? name : "";
}

int no_such_name(sd_bus_error* error, const std::string& name) {
    return sd_bus_error_setf(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                             "%s is not on this socket, where only org.reeve1 is", name.c_str());
}

int hello(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        peer_of(userdata).said_hello();
        if (sd_bus_message_get_expect_reply(call) == 0) return 1;
        return answer(call, "s", peer_of(userdata).unique_name().c_str());
    });
}

int add_match(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        peer_of(userdata).match_added();
        return answer(call, "");
    });
}

int remove_match(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        peer_of(userdata).match_removed();
        return answer(call, "");
    });
}

// RequestName, ReleaseName: as if it were so; nobody else is here to ask for the name.
int request_name(sd_bus_message* call, void*, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] { return answer(call, "u", std::uint32_t{1}); });
}

int start_service(sd_bus_message* call, void*, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const std::string name = argument(call);
        if (!is_us(name)) return no_such_name(error, name);
        return answer(call, "u", std::uint32_t{2});  // already running
    });
}

int list_names(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const posix::MessagePtr reply = new_reply(call);
        append_list(reply.get(), std::array<std::string, 4>{driver, api::bus_name, ":1.0",
                                                            peer_of(userdata).unique_name()});
        return send(reply.get());
    });
}

int list_activatable(sd_bus_message* call, void*, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] { return answer(call, "as", 0U); });
}

int name_has_owner(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        return answer(call, "b", owner(peer_of(userdata), argument(call)).empty() ? 0 : 1);
    });
}

int get_name_owner(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const std::string name = argument(call);
        const std::string found = owner(peer_of(userdata), name);
        if (found.empty()) return no_such_name(error, name);
        return answer(call, "s", found.c_str());
    });
}

int get_id(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        sd_id128_t id{};
        posix::check_sd(sd_bus_get_bus_id(peer_of(userdata).bus(), &id), "id of the server");
        char text[SD_ID128_STRING_MAX];
        return answer(call, "s", sd_id128_to_string(id, text));
    });
}

// Of the client himself or of us.
struct Who {
    uid_t uid;
    pid_t pid;
};
std::optional<Who> who(const Peer& peer, const std::string& name) {
    if (is_us(name)) return Who{::geteuid(), ::getpid()};
    if (name == peer.unique_name()) return Who{peer.caller().uid, peer.caller().pid};
    return {};
}

int get_user(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const std::string name = argument(call);
        const auto found = who(peer_of(userdata), name);
        return found ? answer(call, "u", std::uint32_t{found->uid}) : no_such_name(error, name);
    });
}

int get_process(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const std::string name = argument(call);
        const auto found = who(peer_of(userdata), name);
        return found ? answer(call, "u", static_cast<std::uint32_t>(found->pid))
                     : no_such_name(error, name);
    });
}

int get_credentials(sd_bus_message* call, void* userdata, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const std::string name = argument(call);
        const auto found = who(peer_of(userdata), name);
        if (!found) return no_such_name(error, name);
        return answer(call, "a{sv}", 2U, "UnixUserID", "u", std::uint32_t{found->uid}, "ProcessID",
                      "u", static_cast<std::uint32_t>(found->pid));
    });
}

int no_strings(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
               sd_bus_error*) noexcept {
    return sd_bus_message_append(reply, "as", 0U);
}

#define REEVE_METHOD(member, in, out, handler) \
    SD_BUS_METHOD(member, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable table[] = {
    SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
    REEVE_METHOD("Hello", "", "s", hello),
    REEVE_METHOD("AddMatch", "s", "", add_match),
    REEVE_METHOD("RemoveMatch", "s", "", remove_match),
    REEVE_METHOD("RequestName", "su", "u", request_name),
    REEVE_METHOD("ReleaseName", "s", "u", request_name),
    REEVE_METHOD("StartServiceByName", "su", "u", start_service),
    REEVE_METHOD("ListNames", "", "as", list_names),
    REEVE_METHOD("ListActivatableNames", "", "as", list_activatable),
    REEVE_METHOD("NameHasOwner", "s", "b", name_has_owner),
    REEVE_METHOD("GetNameOwner", "s", "s", get_name_owner),
    REEVE_METHOD("GetId", "", "s", get_id),
    REEVE_METHOD("GetConnectionUnixUser", "s", "u", get_user),
    REEVE_METHOD("GetConnectionUnixProcessID", "s", "u", get_process),
    REEVE_METHOD("GetConnectionCredentials", "s", "a{sv}", get_credentials),
    SD_BUS_PROPERTY("Features", "as", no_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Interfaces", "as", no_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END};

// `busctl monitor` asks for this; here it sees our signals.
const sd_bus_vtable monitoring[] = {SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
                                    REEVE_METHOD("BecomeMonitor", "asu", "", add_match),
                                    SD_BUS_VTABLE_END};

}  // namespace

void add_driver(Peer& peer) {
    const char* const path = "/org/freedesktop/DBus";
    posix::check_sd(sd_bus_add_object_vtable(peer.bus(), nullptr, path, driver, table, &peer),
                    driver);
    posix::check_sd(sd_bus_add_object_vtable(peer.bus(), nullptr, path,
                                             "org.freedesktop.DBus.Monitoring", monitoring, &peer),
                    driver);
}

}  // namespace reeve::bus
