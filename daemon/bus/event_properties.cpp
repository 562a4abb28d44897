// org.reeve1.Event and org.reeve1.Device.
#include <algorithm>

#include "daemon/api/names.hpp"
#include "daemon/bus/append.hpp"
#include "daemon/bus/properties.hpp"

namespace reeve::bus {

namespace {

using M = sd_bus_message;
using E = EventSnapshot;
using D = DeviceSnapshot;

constexpr std::uint32_t constant = SD_BUS_VTABLE_PROPERTY_CONST;
constexpr std::uint32_t told = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;

constexpr Property<E> event_table[] = {
    {"Name", "s", constant, [](M* m, const E& e) { append_text(m, e.view.name); }},
    {"Set", "b", told, [](M* m, const E& e) { append(m, "b", e.view.set ? 1 : 0); }},
    {"Marked", "b", told, [](M* m, const E& e) { append(m, "b", e.view.marked ? 1 : 0); }},
    {"SetBy", "as", told, [](M* m, const E& e) { append_list(m, e.setters); }},
    {"Waiting", "as", 0, [](M* m, const E& e) { append_list(m, e.waiting); }},
};

constexpr Property<D> device_table[] = {
    {"Name", "s", constant, [](M* m, const D& d) { append_text(m, d.view.name); }},
    {"Class", "s", constant, [](M* m, const D&) { append_text(m, "semaphore"); }},
    {"Capacity", "u", told, [](M* m, const D& d) { append(m, "u", d.view.capacity); }},
    {"Holders", "as", told, [](M* m, const D& d) { append_list(m, d.holders); }},
    {"Waiting", "as", told, [](M* m, const D& d) { append_list(m, d.waiting); }},
};

std::vector<std::string> names_of(const Backend& backend, const std::vector<core::UnitId>& units) {
    std::vector<std::string> names;
    for (const core::UnitId unit : units) names.emplace_back(backend.engine().name(unit));
    return names;
}

std::vector<std::string> names_of(const Backend& backend,
                                  const std::vector<hal::HolderId>& holders) {
    std::vector<std::string> names;
    for (const hal::HolderId holder : holders) names.push_back(backend.holder_name(holder));
    return names;
}

template <class Subject>
std::optional<Subject> named(std::vector<Subject> all, const std::string& name) {
    for (Subject& one : all) {
        if (one.view.name == name) return std::move(one);
    }
    return {};
}

}  // namespace

std::vector<EventSnapshot> events(const Backend& backend) {
    std::vector<EventSnapshot> all;
    for (core::EventView& view : backend.engine().events()) {
        EventSnapshot& one = all.emplace_back();
        one.setters = names_of(backend, view.setters);
        one.waiting = names_of(backend, view.waiting);
        one.view = std::move(view);
    }
    std::ranges::sort(all, {}, [](const EventSnapshot& one) { return one.view.name; });
    return all;
}

std::vector<DeviceSnapshot> devices(const Backend& backend) {
    std::vector<DeviceSnapshot> all;
    for (hal::DeviceView& view : backend.scheduler().devices()) {
        DeviceSnapshot& one = all.emplace_back();
        one.holders = names_of(backend, view.holders);
        one.waiting = names_of(backend, view.waiting);
        one.view = std::move(view);
    }
    std::ranges::sort(all, {}, [](const DeviceSnapshot& one) { return one.view.name; });
    return all;
}

const char* const Events::prefix = api::path::event;
const char* const Events::interface = api::interface::event;

std::span<const Property<EventSnapshot>> Events::properties() {
    return event_table;
}

std::optional<EventSnapshot> Events::find(const Backend& backend, const std::string& name) {
    return named(events(backend), name);
}

std::vector<std::string> Events::names(const Backend& backend) {
    std::vector<std::string> all;
    for (const core::EventView& event : backend.engine().events()) all.push_back(event.name);
    return all;
}

const char* const Devices::prefix = api::path::device;
const char* const Devices::interface = api::interface::device;

std::span<const Property<DeviceSnapshot>> Devices::properties() {
    return device_table;
}

std::optional<DeviceSnapshot> Devices::find(const Backend& backend, const std::string& name) {
    return named(devices(backend), name);
}

std::vector<std::string> Devices::names(const Backend& backend) {
    std::vector<std::string> all;
    for (const hal::DeviceView& device : backend.scheduler().devices()) all.push_back(device.name);
    return all;
}

}  // namespace reeve::bus
