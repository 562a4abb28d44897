#include "daemon/bus/transient.hpp"

#include <algorithm>
#include <array>

#include "daemon/bus/refusal.hpp"
#include "daemon/bus/signal_names.hpp"

namespace reeve::bus {

namespace {

Refusal invalid(const std::string& text) {
    return Refusal{api::error::invalid_argument, text};
}

// semantics §1; and no path, since folders and cgroups are called after it.
void check_name(const std::string& name) {
    const auto good = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view{":_.-\\@"}.find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (name.size() > 200 || name.starts_with('.') || std::ranges::count(name, '@') > 1 ||
        !std::ranges::all_of(name, good)) {
        throw invalid(
            "\"" + name +
            "\" is no name for a unit; letters, digits, : _ . - \\ and one @ are allowed");
    }
}

std::string made_up_name() {
    static std::uint64_t last = 0;
    static const std::uint64_t base = [] {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);  // other than those of an earlier manager
        return static_cast<std::uint64_t>(now.tv_sec);
    }();
    return "run-" + std::to_string(base) + "-" + std::to_string(++last);
}

units::Duration duration(std::uint64_t microseconds) {
    const auto most = static_cast<std::uint64_t>(units::infinity.count());
    if (microseconds >= most) return units::infinity;
    return units::Duration{static_cast<units::Duration::rep>(microseconds)};
}

units::Type type_of(const std::string& word) {
    using units::Type;
    for (const Type type : {Type::simple, Type::exec, Type::notify, Type::oneshot}) {
        if (word == to_string(type)) return type;
    }
    throw invalid("definition.type is simple, exec, notify or oneshot, not \"" + word + "\"");
}

units::Predicate predicate(std::string_view text) {
    using Kind = units::Predicate::Kind;
    units::Predicate made;
    made.negated = text.starts_with('!');
    if (made.negated) text.remove_prefix(1);
    constexpr std::array<std::pair<std::string_view, Kind>, 4> kinds{{{"event:", Kind::event},
                                                                      {"unit:", Kind::unit},
                                                                      {"path:", Kind::path},
                                                                      {"device:", Kind::device}}};
    for (const auto& [word, kind] : kinds) {
        if (!text.starts_with(word) || text.size() == word.size()) continue;
        made.kind = kind;
        made.argument = text.substr(word.size());
        if (kind == Kind::path && made.argument.front() != '/') break;
        return made;
    }
    throw invalid("definition.gate: \"" + std::string{text} +
                  "\" is not event:NAME, unit:NAME, device:NAME or path:/PATH");
}

units::Command command(Dictionary& definition) {
    units::Command made;
    made.expand = false;  // the caller's words, as they are
    made.argv = definition.list("command").value_or(std::vector<std::string>{});
    if (made.argv.empty()) throw invalid("definition.command is missing: say what to run");
    if (!made.argv.front().starts_with('/')) {
        throw invalid("definition.command: \"" + made.argv.front() +
                      "\" is not absolute; write the whole path of the program");
    }
    return made;
}

void check_environment(const std::map<std::string, std::string>& environment) {
    for (const auto& [name, value] : environment) {
        if (name.empty() || name.find('=') != std::string::npos) {
            throw invalid("definition.environment: \"" + name + "\" is no name of a variable");
        }
    }
}

void set_identity(units::Surroundings& surroundings, Dictionary& definition,
                  const Credentials& caller, const Access& access) {
    const auto user = definition.text("user");
    const auto group = definition.text("group");
    const bool own_user = !user || access.accounts().user(*user) == caller.uid;
    const auto gid = group ? access.accounts().group(*group) : std::nullopt;
    const bool own_group = !group || (gid && std::ranges::count(caller.groups, *gid) != 0);
    if ((!own_user || !own_group) && !access.may_become_others(caller)) {
        throw Refusal{api::error::access_denied,
                      "only root may run a unit as another user or group; leave them out"};
    }
    if (caller.uid != access.owner() && access.owner() != 0 && caller.uid != 0) {
        throw Refusal{
            api::error::access_denied,
            "this manager is not root and runs units as its own user only; ask that user"};
    }
    surroundings.group = group.value_or("");
    surroundings.user = user.value_or("");
    // Empty means as the manager itself, which is right only for its own user.
    if (!user && caller.uid != access.owner() && access.owner() == 0) {
        surroundings.user = std::to_string(caller.uid);
    }
}

void add_links(units::UnitFile& unit, Dictionary& definition) {
    using units::Relation;
    for (const Relation relation :
         {Relation::after, Relation::requires_, Relation::wants, Relation::binds_to}) {
        const std::string key{to_string(relation)};
        for (std::string& name :
             definition.list(key.c_str()).value_or(std::vector<std::string>{})) {
            if (name.empty()) throw invalid("definition." + key + ": a name is empty");
            unit.links.push_back({relation, true, std::move(name)});
        }
    }
}

void set_times(units::UnitFile& unit, Dictionary& definition) {
    units::Service& service = *unit.service;
    if (service.type == units::Type::oneshot) service.start_timeout = units::infinity;
    const auto set = [&](const char* key, units::Duration& to) {
        if (const auto value = definition.number(key)) to = duration(*value);
    };
    set("start-timeout", service.start_timeout);
    set("stop-timeout", service.stop_timeout);
    set("run-timeout", service.run_timeout);
    set("wait-timeout", unit.wait_timeout);
}

void set_service(units::Service& service, Dictionary& definition, const Credentials& caller,
                 const Access& access) {
    service.type = type_of(definition.text("type").value_or("simple"));
    service.restart = units::Restart::no;
    service.daemonic = false;
    service.remain_after_exit = definition.flag("remain-after-exit").value_or(false);
    service.commands.push_back(command(definition));
    if (const auto name = definition.text("kill-signal")) {
        const auto signal = signal_number(*name);
        if (!signal) throw invalid("definition.kill-signal: there is no signal \"" + *name + "\"");
        service.kill_signal = static_cast<std::uint8_t>(*signal);
    }
    units::Surroundings& surroundings = service.surroundings.edit();
    set_identity(surroundings, definition, caller, access);
    surroundings.environment =
        definition.table("environment").value_or(std::map<std::string, std::string>{});
    check_environment(surroundings.environment);
    surroundings.working_directory = definition.text("working-directory").value_or("");
    if (!surroundings.working_directory.empty() &&
        !surroundings.working_directory.starts_with('/')) {
        throw invalid("definition.working-directory must be an absolute path");
    }
    if (const auto mask = definition.number("umask")) {
        if (*mask > 0777) throw invalid("definition.umask is at most 0777");
        surroundings.umask = static_cast<std::uint32_t>(*mask);
    }
}

}  // namespace

units::UnitPtr make_transient(std::string name, Dictionary& definition, const Credentials& caller,
                              const Access& access) {
    auto unit = std::make_shared<units::UnitFile>();
    unit->name = name.empty() ? made_up_name() : std::move(name);
    check_name(unit->name);
    unit->transient = true;
    unit->description = definition.text("description").value_or("");
    unit->service = std::make_unique<units::Service>();
    set_service(*unit->service, definition, caller, access);
    set_times(*unit, definition);
    add_links(*unit, definition);
    for (std::string& device : definition.list("leases").value_or(std::vector<std::string>{})) {
        if (device.empty()) throw invalid("definition.leases: a name is empty");
        unit->leases.push_back({std::move(device)});
    }
    for (const std::string& gate : definition.list("gate").value_or(std::vector<std::string>{})) {
        unit->predicates.edit().gate.push_back(predicate(gate));
    }
    definition.finish();
    return unit;
}

}  // namespace reeve::bus
