#include "daemon/bus/message_bus.hpp"

#include <cstring>

#include "daemon/api/names.hpp"
#include "daemon/bus/refusal.hpp"
#include "daemon/bus/requests.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::bus {

using posix::check_sd;

namespace {

constexpr const char* driver = "org.freedesktop.DBus";
constexpr std::size_t clients_kept = 4'096;
constexpr std::size_t parked_limit = 256;  // calls of one client before we know who it is

ConnectedBus new_bus() {
    sd_bus* made = nullptr;
    check_sd(sd_bus_new(&made), "new bus connection");
    return ConnectedBus{made};
}

// Reads the a{sv} of GetConnectionCredentials. False: it does not say who it is.
bool read_credentials(sd_bus_message* reply, Credentials& to) {
    bool known = false;
    check_sd(sd_bus_message_enter_container(reply, 'a', "{sv}"), "credentials");
    while (check_sd(sd_bus_message_enter_container(reply, 'e', "sv"), "credentials") > 0) {
        const char* key = nullptr;
        check_sd(sd_bus_message_read(reply, "s", &key), "credentials");
        std::uint32_t number = 0;
        if (std::strcmp(key, "UnixUserID") == 0) {
            check_sd(sd_bus_message_read(reply, "v", "u", &number), "credentials");
            to.uid = number;
            known = true;
        } else if (std::strcmp(key, "ProcessID") == 0) {
            check_sd(sd_bus_message_read(reply, "v", "u", &number), "credentials");
            to.pid = static_cast<pid_t>(number);
        } else if (std::strcmp(key, "UnixGroupIDs") == 0) {
            check_sd(sd_bus_message_enter_container(reply, 'v', "au"), "credentials");
            check_sd(sd_bus_message_enter_container(reply, 'a', "u"), "credentials");
            while (check_sd(sd_bus_message_read(reply, "u", &number), "credentials") > 0) {
                to.groups.push_back(number);
            }
            check_sd(sd_bus_message_exit_container(reply), "credentials");
            check_sd(sd_bus_message_exit_container(reply), "credentials");
        } else {
            check_sd(sd_bus_message_skip(reply, "v"), "credentials");
        }
        check_sd(sd_bus_message_exit_container(reply), "credentials");
    }
    check_sd(sd_bus_message_exit_container(reply), "credentials");
    return known;
}

}  // namespace

MessageBus::MessageBus(Context& context, std::uint64_t id, sd_event* loop,
                       const std::string& address, News news)
    : Connection{context, id}, news_{std::move(news)} {
    bus_ = new_bus();
    sd_bus* const bus = bus_.get();
    check_sd(sd_bus_set_address(bus, address.c_str()), "address of the bus");
    check_sd(sd_bus_set_bus_client(bus, 1), "connect to the bus");
    check_sd(sd_bus_set_connected_signal(bus, 1), "connect to the bus");
    check_sd(sd_bus_negotiate_fds(bus, 1), "connect to the bus");
    check_sd(sd_bus_set_close_on_exit(bus, 0), "connect to the bus");  // it would flush, and wait
    check_sd(sd_bus_add_filter(bus, nullptr, on_message, this), "connect to the bus");
    add_objects(*this);
    check_sd(sd_bus_start(bus), "connect to the bus");
    check_sd(sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL), "connect to the bus");
}

void MessageBus::drop(const char* why) noexcept {
    if (is_dropped_) return;
    is_dropped_ = true;
    owns_name_ = false;
    log::debug("bus: connection lost: {}", why);
    sd_bus_close(bus_.get());
    posix::guarded("bus", news_.dropped);
}

int MessageBus::on_message(sd_bus_message* message, void* self, sd_bus_error*) noexcept {
    return posix::guarded("bus", [&] {
        auto* const bus = static_cast<MessageBus*>(self);
        const char* name = nullptr;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Connected") > 0) {
            bus->request_name();
        } else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") >
                   0) {
            bus->drop("the bus has gone");
        } else if (sd_bus_message_is_signal(message, driver, "NameAcquired") > 0 ||
                   sd_bus_message_is_signal(message, driver, "NameLost") > 0) {
            const char* sender = sd_bus_message_get_sender(message);
            check_sd(sd_bus_message_read(message, "s", &name), "name signal");
            check_sd(sd_bus_message_rewind(message, 1), "name signal");
            if (sender == nullptr || std::strcmp(sender, driver) != 0) return;
            if (std::strcmp(name, api::bus_name) != 0) return;
            bus->owns_name_ = sd_bus_message_is_signal(message, driver, "NameAcquired") > 0;
            if (bus->owns_name_) bus->news_.has_name();
        } else {
            bus->check_backlog();
        }
    });
}

void MessageBus::request_name() {
    // If another has it, we stand in line and get it when that one goes.
    check_sd(sd_bus_request_name_async(bus_.get(), nullptr, api::bus_name, SD_BUS_NAME_QUEUE,
                                       on_name_reply, this),
             "request name");
}

int MessageBus::on_name_reply(sd_bus_message* reply, void* self, sd_bus_error*) noexcept {
    return posix::guarded("bus", [&] { static_cast<MessageBus*>(self)->name_reply(reply); });
}

void MessageBus::name_reply(sd_bus_message* reply) {
    const sd_bus_error* const error = sd_bus_message_get_error(reply);
    if (error != nullptr) {
        // The bus went away meanwhile: we ask the next one.
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) > 0) return;
        news_.no_name(error->message != nullptr ? error->message : error->name);
        return;
    }
    std::uint32_t result = 0;
    check_sd(sd_bus_message_read(reply, "u", &result), "request name");
    if (result == 2) news_.no_name("another manager has the name; it is ours when that one ends");
}

// ── who calls ──────────────────────────────────────────────────────────────────────────────────

void MessageBus::serve(sd_bus_message* message, Handler handler) {
    const char* sender = sd_bus_message_get_sender(message);
    if (sender == nullptr) return refuse(message, api::error::access_denied, "no sender");
    Client& client = meet(sender);
    if (client.known) return run(message, handler, client.credentials);
    if (client.parked.size() >= parked_limit) {
        return refuse(message, api::error::limits_exceeded, "too many calls at once; wait");
    }
    client.parked.push_back({posix::MessagePtr{sd_bus_message_ref(message)}, handler});
}

MessageBus::Client& MessageBus::meet(const std::string& name) {
    if (const auto found = clients_.find(name); found != clients_.end()) return found->second;
    make_room();
    const auto added = clients_.try_emplace(name, Client{*this, name, false, {}, {}, {}, {}}).first;
    Client& client = added->second;
    const std::string match = "type='signal',sender='org.freedesktop.DBus',interface='" +
                              std::string{driver} + "',member='NameOwnerChanged',arg0='" + name +
                              "'";
    // First the match, then the question: one who leaves in between is either unknown or told.
    sd_bus_slot* slot = nullptr;
    check_sd(
        sd_bus_add_match_async(bus_.get(), &slot, match.c_str(), on_client_gone, nullptr, &client),
        "watch client");
    client.gone.reset(slot);
    check_sd(sd_bus_call_method_async(bus_.get(), &slot, driver, "/org/freedesktop/DBus", driver,
                                      "GetConnectionCredentials", on_credentials, &client, "s",
                                      name.c_str()),
             "ask for credentials");
    client.query.reset(slot);
    return client;
}

// Forgets somebody idle when there are very many; asked again when he calls again.
void MessageBus::make_room() {
    if (clients_.size() < clients_kept) return;
    for (auto it = clients_.begin(); it != clients_.end(); ++it) {
        if (!it->second.parked.empty()) continue;
        clients_.erase(it);
        return;
    }
}

int MessageBus::on_client_gone(sd_bus_message*, void* client, sd_bus_error*) noexcept {
    return posix::guarded("bus", [&] {
        auto* const gone = static_cast<Client*>(client);
        MessageBus& bus = gone->bus;
        const std::string name = gone->name;
        bus.clients_.erase(name);
        bus.context().requests.gone(bus.id(), name);
    });
}

int MessageBus::on_credentials(sd_bus_message* reply, void* client, sd_bus_error*) noexcept {
    return posix::guarded("bus", [&] {
        auto* const asked = static_cast<Client*>(client);
        asked->bus.learn(*asked, reply);
    });
}

void MessageBus::learn(Client& client, sd_bus_message* reply) {
    const auto parked = std::exchange(client.parked, {});
    client.known = sd_bus_message_is_method_error(reply, nullptr) == 0 &&
                   read_credentials(reply, client.credentials);
    if (!client.known) {
        for (const Parked& call : parked) {
            refuse(call.message.get(), api::error::access_denied,
                   "the bus does not say who you are");
        }
        clients_.erase(client.name);
        return;
    }
    // Older buses do not tell the groups.
    if (client.credentials.groups.empty()) {
        client.credentials.groups = context_.access.accounts().groups_of(client.credentials.uid);
    }
    const Credentials caller = client.credentials;
    for (const Parked& call : parked) run(call.message.get(), call.handler, caller);
}

}  // namespace reeve::bus
