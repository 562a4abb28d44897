// Puts the objects on a connection: one vtable for the manager, one fallback vtable for all units,
// one for all events, one for all devices (an object of its own for each would cost 2 kB).
#include <cstdlib>
#include <cstring>

#include "daemon/api/names.hpp"
#include "daemon/bus/connection.hpp"
#include "daemon/bus/manager_object.hpp"
#include "daemon/bus/properties.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"

namespace reeve::bus {

using posix::check_sd;

namespace {

Context& context_of(void* userdata) {
    return static_cast<Connection*>(userdata)->context();
}

// The name in PREFIX/NAME; nullopt: another path.
std::optional<std::string> name_in(const char* path, const char* prefix) {
    char* name = nullptr;
    if (sd_bus_path_decode(path, prefix, &name) <= 0) return {};
    std::string copy{name};
    std::free(name);
    return copy;
}

// Looks once, then get() shows it property by property.
template <class Family>
int find(sd_bus*, const char* path, const char*, void* userdata, void** found,
         sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        Context& context = context_of(userdata);
        auto& shown = std::get<std::optional<typename Family::Subject>>(context.shown);
        const auto name = name_in(path, Family::prefix);
        shown = name ? Family::find(context.backend, *name) : std::nullopt;
        if (!shown) return 0;
        *found = &*shown;
        return 1;
    });
}

template <class Family>
int get(sd_bus*, const char*, const char*, const char* member, sd_bus_message* reply, void* subject,
        sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        for (const auto& property : Family::properties()) {
            if (std::strcmp(property.name, member) != 0) continue;
            property.put(reply, *static_cast<const typename Family::Subject*>(subject));
        }
        return 0;
    });
}

// sd-bus frees the list and its strings with free().
char** new_list(const std::vector<std::string>& paths) {
    auto** list = static_cast<char**>(std::calloc(paths.size() + 1, sizeof(char*)));
    if (list == nullptr) throw std::bad_alloc{};
    for (std::size_t i = 0; i < paths.size(); ++i) {
        list[i] = ::strdup(paths[i].c_str());
        if (list[i] == nullptr) throw std::bad_alloc{};
    }
    return list;
}

template <class Family>
int enumerate(sd_bus*, const char*, void* userdata, char*** nodes, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        std::vector<std::string> paths;
        for (const std::string& name : Family::names(context_of(userdata).backend)) {
            char* path = nullptr;
            check_sd(sd_bus_path_encode(Family::prefix, name.c_str(), &path), "encode path");
            paths.emplace_back(path);
            std::free(path);
        }
        *nodes = new_list(paths);
        return 0;
    });
}

template <class Family>
const sd_bus_vtable* vtable() {
    static const std::vector<sd_bus_vtable> made = [] {
        std::vector<sd_bus_vtable> entries;
        entries.push_back(sd_bus_vtable SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED));
        for (const auto& property : Family::properties()) {
            entries.push_back(sd_bus_vtable SD_BUS_PROPERTY(property.name, property.type,
                                                            get<Family>, 0, property.flags));
        }
        entries.push_back(sd_bus_vtable SD_BUS_VTABLE_END);
        return entries;
    }();
    return made.data();
}

template <class Family>
void add_family(Connection& connection) {
    sd_bus* const bus = connection.bus();
    check_sd(sd_bus_add_fallback_vtable(bus, nullptr, Family::prefix, Family::interface,
                                        vtable<Family>(), find<Family>, &connection),
             Family::interface);
    check_sd(
        sd_bus_add_node_enumerator(bus, nullptr, Family::prefix, enumerate<Family>, &connection),
        Family::prefix);
}

}  // namespace

void add_objects(Connection& connection) {
    check_sd(sd_bus_add_object_vtable(connection.bus(), nullptr, api::path::manager,
                                      api::interface::manager, manager_vtable(), &connection),
             api::interface::manager);
    add_family<Units>(connection);
    add_family<Events>(connection);
    add_family<Devices>(connection);
}

}  // namespace reeve::bus
