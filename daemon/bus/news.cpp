#include "daemon/bus/news.hpp"

#include "daemon/api/names.hpp"
#include "daemon/bus/append.hpp"
#include "daemon/bus/properties.hpp"

namespace reeve::bus {

namespace {

void tell_unit(Connection& to, const std::string& name, const core::State from,
               const core::State now, core::RunId run, const std::string& reason) {
    const posix::MessagePtr signal =
        new_signal(to.bus(), api::path::manager, api::interface::manager, "UnitChanged");
    append(signal.get(), "sssts", name.c_str(), std::string{to_string(from)}.c_str(),
           std::string{to_string(now)}.c_str(), static_cast<std::uint64_t>(run), reason.c_str());
    to.send(signal.get());
}

template <class Family>
void tell_properties(Connection& to, const std::string& name) {
    const auto subject = Family::find(to.context().backend, name);
    if (!subject) return;
    const posix::MessagePtr signal =
        new_signal(to.bus(), object_path(Family::prefix, name).c_str(),
                   "org.freedesktop.DBus.Properties", "PropertiesChanged");
    append(signal.get(), "s", Family::interface);
    append_container(signal.get(), 'a', "{sv}", [&] {
        for (const auto& property : Family::properties()) {
            if ((property.flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE) == 0) continue;
            append_entry(signal.get(), property.name, property.type,
                         [&] { property.put(signal.get(), *subject); });
        }
    });
    append(signal.get(), "as", 0U);
    to.send(signal.get());
}

}  // namespace

void News::changed(std::string_view name, const core::Report& report) {
    Change& change = units_[report.unit];
    change.name = name;
    if (!change.state_changed) change.from = report.from;
    change.state_changed = true;
    change.to = report.to;
    change.run = report.run;
    change.reason = report.reason;
}

void News::touched(core::UnitId unit, std::string_view name) {
    units_[unit].name = name;
}

void News::removed(core::UnitId unit, std::string_view name) {
    Change& change = units_[unit];
    change.name = name;
    change.removed = true;
}

void News::changed(const core::EventReport& event) {
    events_.insert_or_assign(event.name, event.set);
}

void News::changed(const std::vector<std::string>& devices) {
    devices_.insert(devices.begin(), devices.end());
}

bool News::empty() const noexcept {
    return units_.empty() && events_.empty() && devices_.empty();
}

void News::clear() {
    units_.clear();
    events_.clear();
    devices_.clear();
}

void News::tell(Connection& to) const {
    for (const auto& [_, change] : units_) {
        if (change.state_changed) {
            tell_unit(to, change.name, change.from, change.to, change.run, change.reason);
        }
        if (!change.removed) {
            tell_properties<Units>(to, change.name);
            continue;
        }
        const posix::MessagePtr signal =
            new_signal(to.bus(), api::path::manager, api::interface::manager, "UnitRemoved");
        append_text(signal.get(), change.name);
        to.send(signal.get());
    }
    for (const auto& [name, set] : events_) {
        const posix::MessagePtr signal =
            new_signal(to.bus(), api::path::manager, api::interface::manager, "EventChanged");
        append(signal.get(), "sb", name.c_str(), set ? 1 : 0);
        to.send(signal.get());
        tell_properties<Events>(to, name);
    }
    for (const std::string& name : devices_) tell_properties<Devices>(to, name);
}

}  // namespace reeve::bus
