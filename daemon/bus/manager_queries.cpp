// What is so: lists, descriptions, reasons. Public, save what Definition withholds.
#include <fnmatch.h>

#include <algorithm>

#include "daemon/bus/append.hpp"
#include "daemon/bus/definition.hpp"
#include "daemon/bus/dictionary.hpp"
#include "daemon/bus/manager_methods.hpp"
#include "daemon/bus/refusal.hpp"

namespace reeve::bus::manager {

namespace {

bool is_pattern(const std::string& name) {
    return name.find_first_of("*?[") != std::string::npos;
}

core::UnitId known_unit(const Backend& backend, const std::string& name) {
    if (const auto unit = backend.engine().find(name)) return *unit;
    throw Refusal{api::error::no_such_unit, unknown_unit_text(backend, name)};
}

std::uint64_t microseconds(core::TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

// Of what has no file that could tell, why it has none.
std::string description_of(const core::UnitView& view) {
    if (view.definition) return view.definition->description;
    if (!view.problems.empty()) return view.problems.front();
    return view.masked ? "masked" : "";
}

std::string kind_of(const core::UnitView& view) {
    return view.definition ? std::string{to_string(view.definition->kind)} : "";
}

bool any_of(const std::optional<std::vector<std::string>>& wanted, std::string_view value) {
    return !wanted || wanted->empty() || std::ranges::count(*wanted, value) != 0;
}

// The units of these names and patterns, by name, each once. No names: all. A name that is no
// pattern must exist if `strict`.
std::vector<core::UnitId> select(const Backend& backend, const std::vector<std::string>& names,
                                 bool strict) {
    const core::Engine& engine = backend.engine();
    if (names.empty()) return engine.all();
    std::vector<core::UnitId> chosen;
    for (const std::string& name : names) {
        if (is_pattern(name)) {
            for (const core::UnitId unit : engine.all()) {
                const std::string candidate{engine.name(unit)};
                if (::fnmatch(name.c_str(), candidate.c_str(), 0) == 0) chosen.push_back(unit);
            }
        } else if (strict || engine.find(name)) {
            chosen.push_back(known_unit(backend, name));
        }
    }
    std::ranges::sort(chosen, {}, [&](core::UnitId unit) { return engine.name(unit); });
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
}

void append_description(sd_bus_message* message, const UnitSnapshot& unit,
                        const std::optional<std::vector<std::string>>& wanted) {
    append_container(message, 'a', "{sv}", [&] {
        for (const Property<UnitSnapshot>& property : Units::properties()) {
            const std::string_view name = property.name;
            if (name != "Name" && !any_of(wanted, name)) continue;
            append_entry(message, property.name, property.type,
                         [&] { property.put(message, unit); });
        }
    });
}

}  // namespace

void list(Call& call) {
    Dictionary filter{call.message, "filter"};
    const auto states = filter.list("states");
    const auto kinds = filter.list("kinds");
    const auto names = filter.list("names").value_or(std::vector<std::string>{});
    filter.finish();
    const core::Engine& engine = call.context.backend.engine();
    const auto chosen = select(call.context.backend, names, false);
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "(ssssts)", [&] {
        for (const core::UnitId unit : chosen) {
            const core::UnitView view = engine.view(unit);
            const std::string kind = kind_of(view);
            const std::string state{to_string(view.state)};
            if (!any_of(states, state) || !any_of(kinds, kind)) continue;
            append(reply.get(), "(ssssts)", std::string{engine.name(unit)}.c_str(), kind.c_str(),
                   state.c_str(), std::string{to_string(view.asked)}.c_str(),
                   static_cast<std::uint64_t>(view.run), description_of(view).c_str());
        }
    });
    call.connection.send(reply.get(), chosen.size() / 8);
}

void describe(Call& call) {
    const std::vector<std::string> names = read_list(call.message);
    Dictionary options{call.message, "options"};
    const auto wanted = options.list("properties");
    const auto states = options.list("states");
    const auto kinds = options.list("kinds");
    options.finish();
    const Backend& backend = call.context.backend;
    const auto chosen = select(backend, names, true);
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "a{sv}", [&] {
        for (const core::UnitId unit : chosen) {
            const UnitSnapshot shown = snapshot(backend, unit);
            if (!any_of(states, to_string(shown.view.state))) continue;
            if (!any_of(kinds, kind_of(shown.view))) continue;
            append_description(reply.get(), shown, wanted);
        }
    });
    call.connection.send(reply.get(), chosen.size());
}

void definition(Call& call) {
    const core::Engine& engine = call.context.backend.engine();
    const core::UnitId unit = known_unit(call.context.backend, read_text(call.message));
    const units::UnitPtr shown = engine.view(unit).definition;
    const posix::MessagePtr reply = new_reply(call.message);
    append_definition(reply.get(), shown.get(),
                      call.context.access.may_read(call.caller, shown.get()));
    call.connection.send(reply.get());
}

void get_unit(Call& call) {
    const core::Engine& engine = call.context.backend.engine();
    const core::UnitId unit = known_unit(call.context.backend, read_text(call.message));
    const posix::MessagePtr reply = new_reply(call.message);
    append(reply.get(), "o", object_path(api::path::unit, engine.name(unit)).c_str());
    call.connection.send(reply.get());
}

void why(Call& call) {
    const Backend& backend = call.context.backend;
    const core::UnitId unit = known_unit(backend, read_text(call.message));
    const std::string hindrance = backend.facts(unit).hindrance;
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "(sst)", [&] {
        for (const core::Reason& reason : backend.engine().why(unit, backend.now())) {
            append(reply.get(), "(sst)", reason.kind.c_str(), reason.what.c_str(),
                   microseconds(reason.since));
        }
        if (!hindrance.empty()) {
            append(reply.get(), "(sst)", "hindrance", hindrance.c_str(), std::uint64_t{0});
        }
    });
    call.connection.send(reply.get());
}

void goes_with(Call& call) {
    const core::Engine& engine = call.context.backend.engine();
    const core::UnitId unit = known_unit(call.context.backend, read_text(call.message));
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "s", [&] {
        for (const core::UnitId one : engine.goes_with(unit)) {
            append_text(reply.get(), engine.name(one));
        }
    });
    call.connection.send(reply.get());
}

void list_events(Call& call) {
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "(sbbasas)", [&] {
        for (const EventSnapshot& event : events(call.context.backend)) {
            append_container(reply.get(), 'r', "sbbasas", [&] {
                append(reply.get(), "sbb", event.view.name.c_str(), event.view.set ? 1 : 0,
                       event.view.marked ? 1 : 0);
                append_list(reply.get(), event.setters);
                append_list(reply.get(), event.waiting);
            });
        }
    });
    call.connection.send(reply.get());
}

void list_devices(Call& call) {
    const posix::MessagePtr reply = new_reply(call.message);
    append_container(reply.get(), 'a', "(ssuasas)", [&] {
        for (const DeviceSnapshot& device : devices(call.context.backend)) {
            append_container(reply.get(), 'r', "ssuasas", [&] {
                append(reply.get(), "ssu", device.view.name.c_str(), "semaphore",
                       device.view.capacity);
                append_list(reply.get(), device.holders);
                append_list(reply.get(), device.waiting);
            });
        }
    });
    call.connection.send(reply.get());
}

}  // namespace reeve::bus::manager
