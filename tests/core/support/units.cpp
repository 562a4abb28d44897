#include "tests/core/support/units.hpp"

#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace reeve::core::testing {

namespace {

using units::Phase;
using units::Predicate;
using units::Relation;

std::vector<std::string> split(const std::string& text, char by) {
    std::vector<std::string> parts;
    std::istringstream in{text};
    for (std::string part; std::getline(in, part, by);) parts.push_back(part);
    return parts;
}

const std::map<std::string, Relation> relations{
    {"after", Relation::after},           {"before", Relation::before},
    {"requires", Relation::requires_},    {"wants", Relation::wants},
    {"binds-to", Relation::binds_to},     {"requisite", Relation::requisite},
    {"part-of", Relation::part_of},       {"conflicts", Relation::conflicts},
    {"on-failure", Relation::on_failure}, {"on-success", Relation::on_success},
    {"wanted-by", Relation::wanted_by},   {"required-by", Relation::required_by}};

const std::map<std::string, Phase> phases{
    {"start-pre", Phase::start_pre}, {"main", Phase::main}, {"start-post", Phase::start_post},
    {"reload", Phase::reload},       {"stop", Phase::stop}, {"stop-post", Phase::stop_post}};

template <class T>
T one_of(const std::string& text, std::initializer_list<T> values) {
    for (const T value : values)
        if (to_string(value) == text) return value;
    throw std::invalid_argument{"no such value: " + text};
}

// "event:x", "!path:/y", "any(event:a|path:/b)", "all(…)".
Predicate predicate(std::string text) {
    Predicate made;
    if (text.starts_with('!')) {
        made.negated = true;
        text.erase(0, 1);
    }
    if (text.starts_with("any(") || text.starts_with("all(")) {
        made.kind = text.starts_with("any(") ? Predicate::Kind::any : Predicate::Kind::all;
        for (const std::string& part : split(text.substr(4, text.size() - 5), '|'))
            made.parts.push_back(predicate(part));
        return made;
    }
    const auto colon = text.find(':');
    const std::string kind = text.substr(0, colon);
    const std::map<std::string, Predicate::Kind> kinds{{"event", Predicate::Kind::event},
                                                       {"unit", Predicate::Kind::unit},
                                                       {"path", Predicate::Kind::path},
                                                       {"device", Predicate::Kind::device}};
    made.kind = kinds.at(kind);
    made.argument = text.substr(colon + 1);
    return made;
}

units::ExitStatusSet exits(const std::string& text) {
    units::ExitStatusSet set;
    for (const std::string& each : split(text, ',')) {
        if (each.starts_with("signal:")) {
            set.signals.push_back(static_cast<std::uint8_t>(std::stoi(each.substr(7))));
        } else {
            set.codes.push_back(static_cast<std::uint8_t>(std::stoi(each)));
        }
    }
    return set;
}

// "N/T" or "N/T/then": nothing, stop, reboot, event:X, start:X.
units::Limit limit(const std::string& text) {
    units::Limit made;
    const auto parts = split(text, '/');
    made.starts = static_cast<std::uint32_t>(std::stoul(parts.at(0)));
    made.within = duration(parts.at(1));
    if (parts.size() < 3) return made;
    using Then = units::Limit::Then;
    const auto word = split(parts[2], ':');
    const std::map<std::string, Then> thens{{"stop", Then::stop},
                                            {"reboot", Then::reboot},
                                            {"event", Then::event},
                                            {"start", Then::start}};
    made.then = thens.at(word.at(0));
    if (word.size() > 1) made.argument = word[1];
    return made;
}

units::Backoff backoff(const std::string& text) {
    const auto parts = split(text, '/');
    return {duration(parts.at(0)), std::stod(parts.at(1)), duration(parts.at(2)),
            duration(parts.at(3))};
}

using Setter = std::function<void(units::UnitFile&, const std::string&)>;

const std::map<std::string, Setter>& unit_keys() {
    using File = units::UnitFile;
    static const std::map<std::string, Setter> keys{
        {"enabled", [](File& f, const std::string& v) { f.enabled = v != "no"; }},
        {"description", [](File& f, const std::string& v) { f.description = v; }},
        {"stop-when-unneeded", [](File& f, const std::string&) { f.stop_when_unneeded = true; }},
        {"ignore-on-isolate", [](File& f, const std::string&) { f.ignore_on_isolate = true; }},
        {"refuse-manual-start", [](File& f, const std::string&) { f.refuse_manual_start = true; }},
        {"refuse-manual-stop", [](File& f, const std::string&) { f.refuse_manual_stop = true; }},
        {"transient", [](File& f, const std::string&) { f.transient = true; }},
        {"wait-timeout", [](File& f, const std::string& v) { f.wait_timeout = duration(v); }},
        {"alias", [](File& f, const std::string& v) { f.aliases = split(v, ','); }},
        {"sets", [](File& f, const std::string& v) { f.sets = split(v, ','); }},
        {"lease",
         [](File& f, const std::string& v) {
             for (const std::string& each : split(v, ',')) f.leases.push_back({each});
         }},
        {"gate",
         [](File& f, const std::string& v) {
             for (const auto& each : split(v, ','))
                 f.predicates.edit().gate.push_back(predicate(each));
         }},
        {"condition",
         [](File& f, const std::string& v) {
             for (const auto& each : split(v, ','))
                 f.predicates.edit().condition.push_back(predicate(each));
         }},
        {"assert",
         [](File& f, const std::string& v) {
             for (const auto& each : split(v, ','))
                 f.predicates.edit().assertion.push_back(predicate(each));
         }},
        {"gate-lost",
         [](File& f, const std::string& v) {
             using units::GateLost;
             f.predicates.edit().gate_lost = v == "stop"      ? GateLost::stop
                                             : v == "restart" ? GateLost::restart
                                                              : GateLost::ignore;
         }},
    };
    return keys;
}

using ServiceSetter = std::function<void(units::Service&, const std::string&)>;

const std::map<std::string, ServiceSetter>& service_keys() {
    using S = units::Service;
    using units::KillMode;
    using units::Restart;
    static const std::map<std::string, ServiceSetter> keys{
        {"restart",
         [](S& s, const std::string& v) {
             s.restart = one_of(
                 v, {Restart::no, Restart::on_success, Restart::on_failure, Restart::on_abnormal,
                     Restart::on_abort, Restart::on_watchdog, Restart::always});
         }},
        {"kill-mode",
         [](S& s, const std::string& v) {
             s.kill_mode = one_of(
                 v, {KillMode::control_group, KillMode::mixed, KillMode::process, KillMode::none});
         }},
        {"daemonic", [](S& s, const std::string& v) { s.daemonic = v != "no"; }},
        {"remain-after-exit", [](S& s, const std::string&) { s.remain_after_exit = true; }},
        {"start-timeout", [](S& s, const std::string& v) { s.start_timeout = duration(v); }},
        {"stop-timeout", [](S& s, const std::string& v) { s.stop_timeout = duration(v); }},
        {"run-timeout", [](S& s, const std::string& v) { s.run_timeout = duration(v); }},
        {"watchdog", [](S& s, const std::string& v) { s.watchdog = duration(v); }},
        {"backoff", [](S& s, const std::string& v) { s.backoff.edit() = backoff(v); }},
        {"limit", [](S& s, const std::string& v) { s.limit.edit() = limit(v); }},
        {"success-exit-status",
         [](S& s, const std::string& v) { s.exits.edit().success = exits(v); }},
        {"restart-prevent-exit-status",
         [](S& s, const std::string& v) { s.exits.edit().restart_prevent = exits(v); }},
        {"restart-force-exit-status",
         [](S& s, const std::string& v) { s.exits.edit().restart_force = exits(v); }},
    };
    return keys;
}

// "start-pre=2": two commands; "start-pre=-1": one whose failure is ignored.
void add_commands(units::Service& service, Phase phase, const std::string& value) {
    const bool forgiven = value.starts_with('-');
    for (int count = std::abs(std::stoi(value)); count > 0; --count) {
        units::Command command;
        command.phase = phase;
        command.ignore_failure = forgiven;
        command.argv = {"/bin/" + std::string{to_string(phase)}};
        service.commands.push_back(command);
    }
}

void set_type(units::Service& service, const std::string& value) {
    using units::Type;
    service.type = one_of(
        value, {Type::simple, Type::exec, Type::notify, Type::forking, Type::oneshot, Type::idle});
    if (service.type != Type::oneshot) return;
    service.daemonic = false;
    service.restart = units::Restart::no;
    service.start_timeout = units::infinity;
}

void set(units::UnitFile& file, const std::string& key, const std::string& value) {
    if (const auto relation = relations.find(key); relation != relations.end()) {
        for (std::string name : split(value, ',')) {
            const bool loose = name.ends_with("/none");
            if (loose) name.erase(name.size() - 5);
            file.links.push_back({relation->second, !loose, name});
        }
    } else if (const auto unit_key = unit_keys().find(key); unit_key != unit_keys().end()) {
        unit_key->second(file, value);
    } else if (!file.service) {
        throw std::invalid_argument{"no such key of this kind: " + key};
    } else if (const auto phase = phases.find(key); phase != phases.end()) {
        add_commands(*file.service, phase->second, value);
    } else if (key == "type") {
        set_type(*file.service, value);
    } else {
        service_keys().at(key)(*file.service, value);
    }
}

}  // namespace

units::Duration duration(const std::string& text) {
    if (text == "infinity") return units::infinity;
    std::size_t end = 0;
    const auto number = std::stoll(text, &end);
    const std::string unit = text.substr(end);
    const std::map<std::string, long long> factors{
        {"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"min", 60'000'000}, {"h", 3'600'000'000}};
    return units::Duration{number * factors.at(unit)};
}

units::UnitPtr make_unit(const std::string& line) {
    std::istringstream in{line};
    std::string kind, name;
    in >> kind >> name;
    auto file = std::make_shared<units::UnitFile>();
    file->name = name;
    file->kind = kind == "service"  ? units::Kind::service
                 : kind == "target" ? units::Kind::target
                                    : units::Kind::device;
    if (file->kind == units::Kind::service) file->service = std::make_unique<units::Service>();
    bool has_main = false;
    for (std::string word; in >> word;) {
        const auto equals = word.find('=');
        const std::string key = word.substr(0, equals);
        has_main |= key == "main";
        set(*file, key, equals == std::string::npos ? "" : word.substr(equals + 1));
    }
    if (file->service && !has_main) add_commands(*file->service, Phase::main, "1");
    return file;
}

}  // namespace reeve::core::testing
