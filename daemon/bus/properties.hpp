// What the objects show: one table of properties for each interface, used by Get, GetAll, Describe
// and PropertiesChanged alike.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/bus/backend.hpp"

namespace reeve::bus {

template <class Subject>
struct Property {
    const char* name;
    const char* type;
    std::uint32_t flags;  // SD_BUS_VTABLE_PROPERTY_*
    void (*put)(sd_bus_message* message, const Subject& subject);
};

// A unit as it is at this moment.
struct UnitSnapshot {
    const Backend* backend = nullptr;  // for what is costly, and seldom shown
    core::UnitId id{};
    std::string name;
    core::UnitView view;
    UnitFacts facts;
    std::vector<core::Reason> why;  // only while it waits
    std::uint64_t since_realtime = 0;
};
UnitSnapshot snapshot(const Backend& backend, core::UnitId unit);

struct EventSnapshot {
    core::EventView view;
    std::vector<std::string> setters, waiting;
};
std::vector<EventSnapshot> events(const Backend& backend);  // by name

struct DeviceSnapshot {
    hal::DeviceView view;
    std::vector<std::string> holders, waiting;
};
std::vector<DeviceSnapshot> devices(const Backend& backend);  // by name

// How an interface finds its subjects.
struct Units {
    using Subject = UnitSnapshot;
    static const char* const prefix;
    static const char* const interface;
    static std::span<const Property<Subject>> properties();
    static std::optional<Subject> find(const Backend& backend, const std::string& name);
    static std::vector<std::string> names(const Backend& backend);
};
struct Events {
    using Subject = EventSnapshot;
    static const char* const prefix;
    static const char* const interface;
    static std::span<const Property<Subject>> properties();
    static std::optional<Subject> find(const Backend& backend, const std::string& name);
    static std::vector<std::string> names(const Backend& backend);
};
struct Devices {
    using Subject = DeviceSnapshot;
    static const char* const prefix;
    static const char* const interface;
    static std::span<const Property<Subject>> properties();
    static std::optional<Subject> find(const Backend& backend, const std::string& name);
    static std::vector<std::string> names(const Backend& backend);
};

}  // namespace reeve::bus
