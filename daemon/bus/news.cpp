#include "daemon/bus/news.hpp"

#include "daemon/api/names.hpp"
#include "daemon/bus/append.hpp"
#include "daemon/bus/properties.hpp"

namespace reeve::bus {

namespace {

using Listeners = std::span<Connection* const>;

std::size_t tell_manager(Listeners to, const char* member, auto&& append_to) {
    for (Connection* const each : to) {
        const posix::MessagePtr signal =
            new_signal(each->bus(), api::path::manager, api::interface::manager, member);
        append_to(signal.get());
        each->send(signal.get());
    }
    return to.size();
}

template <class Family>
std::size_t tell_properties(Listeners to, const std::string& name) {
    if (to.empty()) return 0;
    const auto subject = Family::find(to.front()->context().backend, name);
    if (!subject) return 0;
    const std::string path = object_path(Family::prefix, name);
    for (Connection* const each : to) {
        const posix::MessagePtr signal = new_signal(
            each->bus(), path.c_str(), "org.freedesktop.DBus.Properties", "PropertiesChanged");
        append(signal.get(), "s", Family::interface);
        append_container(signal.get(), 'a', "{sv}", [&] {
            for (const auto& property : Family::properties()) {
                if ((property.flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE) == 0) continue;
                append_entry(signal.get(), property.name, property.type,
                             [&] { property.put(signal.get(), *subject); });
            }
        });
        append(signal.get(), "as", 0U);
        each->send(signal.get());
    }
    return to.size();
}

// Moves entries from the front of one table to another.
template <class Table>
void move_some(Table& from, Table& to, std::size_t& most) {
    for (; most > 0 && !from.empty(); --most) to.insert(from.extract(from.begin()));
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

News News::take(std::size_t most) {
    News taken;
    move_some(units_, taken.units_, most);
    move_some(events_, taken.events_, most);
    move_some(devices_, taken.devices_, most);
    return taken;
}

std::size_t News::tell(Listeners to) const {
    std::size_t sent = 0;
    for (const auto& entry : units_) {
        const Change& change = entry.second;
        if (change.state_changed) {
            sent += tell_manager(to, "UnitChanged", [&](sd_bus_message* signal) {
                append(signal, "sssts", change.name.c_str(),
                       std::string{to_string(change.from)}.c_str(),
                       std::string{to_string(change.to)}.c_str(),
                       static_cast<std::uint64_t>(change.run), change.reason.c_str());
            });
        }
        if (!change.removed) {
            sent += tell_properties<Units>(to, change.name);
            continue;
        }
        sent += tell_manager(to, "UnitRemoved",
                             [&](sd_bus_message* signal) { append_text(signal, change.name); });
    }
    for (const auto& entry : events_) {
        const std::string& name = entry.first;
        const bool set = entry.second;
        sent += tell_manager(to, "EventChanged", [&](sd_bus_message* signal) {
            append(signal, "sb", name.c_str(), set ? 1 : 0);
        });
        sent += tell_properties<Events>(to, name);
    }
    for (const std::string& name : devices_) sent += tell_properties<Devices>(to, name);
    return sent;
}

}  // namespace reeve::bus
