// org.reeve1.Unit.
#include <time.h>

#include "daemon/api/names.hpp"
#include "daemon/bus/append.hpp"
#include "daemon/bus/properties.hpp"

namespace reeve::bus {

namespace {

using U = UnitSnapshot;
using M = sd_bus_message;

constexpr std::uint32_t constant = SD_BUS_VTABLE_PROPERTY_CONST;
constexpr std::uint32_t told = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;

std::uint64_t microseconds(core::TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

const units::UnitFile& definition(const U& unit) {
    static const units::UnitFile missing;
    return unit.view.definition ? *unit.view.definition : missing;
}

void put_number(M* m, std::uint64_t value) {
    append(m, "t", value);
}
void put_small(M* m, std::uint32_t value) {
    append(m, "u", value);
}
void put_flag(M* m, bool value) {
    append(m, "b", value ? 1 : 0);
}

void put_links(M* m, const U& unit) {
    append_container(m, 'a', "(ssb)", [&] {
        for (const units::Link& link : definition(unit).links) {
            append(m, "(ssb)", std::string{to_string(link.relation)}.c_str(), link.unit.c_str(),
                   link.ordered ? 1 : 0);
        }
    });
}

void put_leases(M* m, const U& unit) {
    append_container(m, 'a', "s", [&] {
        for (const units::Lease& lease : definition(unit).leases) append_text(m, lease.device);
    });
}

void put_pids(M* m, const U& unit) {
    append_container(m, 'a', "u", [&] {
        for (const pid_t pid : unit.backend->pids(unit.id))
            put_small(m, static_cast<std::uint32_t>(pid));
    });
}

void put_waits_for(M* m, const U& unit) {
    std::string text = unit.facts.hindrance;
    for (const core::Reason& reason : unit.why) {
        if (!text.empty()) text += ", ";
        text += reason.what.empty() ? reason.kind : reason.kind + " " + reason.what;
    }
    append_text(m, text);
}

void put_waits_since(M* m, const U& unit) {
    core::TimePoint first{};
    for (const core::Reason& reason : unit.why) {
        if (first == core::TimePoint{} || reason.since < first) first = reason.since;
    }
    put_number(m, microseconds(first));
}

constexpr Property<U> table[] = {
    // the definition
    {"Name", "s", constant, [](M* m, const U& u) { append_text(m, u.name); }},
    {"Kind", "s", 0,
     [](M* m, const U& u) {
         append_text(m, u.view.definition ? to_string(u.view.definition->kind) : "");
     }},
    {"Description", "s", 0, [](M* m, const U& u) { append_text(m, definition(u).description); }},
    {"Aliases", "as", 0, [](M* m, const U& u) { append_list(m, definition(u).aliases); }},
    {"Files", "as", 0, [](M* m, const U& u) { append_list(m, definition(u).files); }},
    {"Type", "s", 0,
     [](M* m, const U& u) {
         const auto& service = definition(u).service;
         append_text(m, service ? to_string(service->type) : "");
     }},
    {"Enabled", "b", 0, [](M* m, const U& u) { put_flag(m, definition(u).enabled); }},
    {"Daemonic", "b", 0,
     [](M* m, const U& u) {
         const auto& service = definition(u).service;
         put_flag(m, !service || service->daemonic);
     }},
    {"Transient", "b", constant, [](M* m, const U& u) { put_flag(m, definition(u).transient); }},
    {"Masked", "b", 0, [](M* m, const U& u) { put_flag(m, u.view.masked); }},
    {"Problems", "as", 0, [](M* m, const U& u) { append_list(m, u.view.problems); }},
    {"Stale", "b", 0, [](M* m, const U& u) { put_flag(m, u.view.stale); }},
    {"Links", "a(ssb)", 0, put_links},
    {"Leases", "as", 0, put_leases},
    {"Sets", "as", 0, [](M* m, const U& u) { append_list(m, definition(u).sets); }},
    // what is so
    {"State", "s", told, [](M* m, const U& u) { append_text(m, to_string(u.view.state)); }},
    {"Asked", "s", told, [](M* m, const U& u) { append_text(m, to_string(u.view.asked)); }},
    {"AskedBy", "s", told, [](M* m, const U& u) { append_text(m, u.view.asked_by); }},
    {"Wanted", "b", told, [](M* m, const U& u) { put_flag(m, u.view.wanted); }},
    {"Run", "t", told,
     [](M* m, const U& u) { put_number(m, static_cast<std::uint64_t>(u.view.run)); }},
    {"MainPid", "u", told,
     [](M* m, const U& u) { put_small(m, static_cast<std::uint32_t>(u.facts.main_pid)); }},
    {"Pids", "au", 0, put_pids},
    {"Code", "i", told, [](M* m, const U& u) { append(m, "i", u.view.last_exit.code); }},
    {"Signal", "i", told, [](M* m, const U& u) { append(m, "i", u.view.last_exit.signal); }},
    {"Result", "s", told, [](M* m, const U& u) { append_text(m, to_string(u.view.result)); }},
    {"Detail", "s", told, [](M* m, const U& u) { append_text(m, u.view.detail); }},
    {"Since", "t", told, [](M* m, const U& u) { put_number(m, microseconds(u.view.since)); }},
    {"SinceRealtime", "t", 0, [](M* m, const U& u) { put_number(m, u.since_realtime); }},
    {"NextStart", "t", told,
     [](M* m, const U& u) {
         put_number(m, u.view.next_start ? microseconds(*u.view.next_start) : 0);
     }},
    {"Failures", "u", told, [](M* m, const U& u) { put_small(m, u.view.failures); }},
    {"Starts", "t", told, [](M* m, const U& u) { put_number(m, u.view.starts); }},
    {"Status", "s", told, [](M* m, const U& u) { append_text(m, u.facts.status); }},
    {"WaitsFor", "s", 0, put_waits_for},
    {"WaitsSince", "t", 0, put_waits_since},
};

}  // namespace

UnitSnapshot snapshot(const Backend& backend, core::UnitId unit) {
    const core::Engine& engine = backend.engine();
    UnitSnapshot made{
        &backend, unit, std::string{engine.name(unit)}, engine.view(unit), backend.facts(unit),
        {},       0};
    const core::TimePoint now = backend.now();
    if (made.view.state == core::State::waiting) made.why = engine.why(unit, now);
    timespec real{};
    ::clock_gettime(CLOCK_REALTIME, &real);
    const auto realtime = static_cast<std::uint64_t>(real.tv_sec) * 1'000'000 +
                          static_cast<std::uint64_t>(real.tv_nsec) / 1'000;
    made.since_realtime = realtime - (microseconds(now) - microseconds(made.view.since));
    return made;
}

const char* const Units::prefix = api::path::unit;
const char* const Units::interface = api::interface::unit;

std::span<const Property<UnitSnapshot>> Units::properties() {
    return table;
}

std::optional<UnitSnapshot> Units::find(const Backend& backend, const std::string& name) {
    const auto unit = backend.engine().find(name);
    if (!unit) return {};
    return snapshot(backend, *unit);
}

std::vector<std::string> Units::names(const Backend& backend) {
    std::vector<std::string> all;
    for (const core::UnitId unit : backend.engine().all()) {
        all.emplace_back(backend.engine().name(unit));
    }
    return all;
}

}  // namespace reeve::bus
