#include "units/unit_file.hpp"

namespace reeve::units {

std::string_view to_string(Relation relation) noexcept {
    switch (relation) {
        case Relation::after: return "after";
        case Relation::before: return "before";
        case Relation::requires_: return "requires";
        case Relation::wants: return "wants";
        case Relation::binds_to: return "binds-to";
        case Relation::requisite: return "requisite";
        case Relation::part_of: return "part-of";
        case Relation::conflicts: return "conflicts";
        case Relation::on_failure: return "on-failure";
        case Relation::on_success: return "on-success";
        case Relation::wanted_by: return "wanted-by";
        case Relation::required_by: return "required-by";
    }
    return {};
}

std::string_view to_string(Type type) noexcept {
    switch (type) {
        case Type::simple: return "simple";
        case Type::exec: return "exec";
        case Type::notify: return "notify";
        case Type::forking: return "forking";
        case Type::oneshot: return "oneshot";
        case Type::idle: return "idle";
    }
    return {};
}

std::string_view to_string(Phase phase) noexcept {
    switch (phase) {
        case Phase::start_pre: return "start-pre";
        case Phase::main: return "command";
        case Phase::start_post: return "start-post";
        case Phase::reload: return "reload";
        case Phase::stop: return "stop";
        case Phase::stop_post: return "stop-post";
    }
    return {};
}

std::string_view to_string(Restart restart) noexcept {
    switch (restart) {
        case Restart::no: return "no";
        case Restart::on_success: return "on-success";
        case Restart::on_failure: return "on-failure";
        case Restart::on_abnormal: return "on-abnormal";
        case Restart::on_abort: return "on-abort";
        case Restart::on_watchdog: return "on-watchdog";
        case Restart::always: return "always";
    }
    return {};
}

std::string_view to_string(KillMode mode) noexcept {
    switch (mode) {
        case KillMode::control_group: return "control-group";
        case KillMode::mixed: return "mixed";
        case KillMode::process: return "process";
        case KillMode::none: return "none";
    }
    return {};
}

std::string_view to_string(NotifyAccess access) noexcept {
    switch (access) {
        case NotifyAccess::none: return "none";
        case NotifyAccess::main: return "main";
        case NotifyAccess::exec: return "exec";
        case NotifyAccess::all: return "all";
    }
    return {};
}

std::string_view to_string(Kind kind) noexcept {
    switch (kind) {
        case Kind::service: return "service";
        case Kind::target: return "target";
        case Kind::device: return "device";
    }
    return {};
}

namespace {

std::string_view kind_name(Predicate::Kind kind) noexcept {
    switch (kind) {
        case Predicate::Kind::event: return "event";
        case Predicate::Kind::unit: return "unit";
        case Predicate::Kind::path: return "path";
        case Predicate::Kind::device: return "device";
        case Predicate::Kind::any: return "any";
        case Predicate::Kind::all: return "all";
    }
    return {};
}

bool same_service(const std::unique_ptr<Service>& a, const std::unique_ptr<Service>& b) {
    return a && b ? *a == *b : !a && !b;
}

}  // namespace

std::string to_string(const Predicate& predicate) {
    std::string out = predicate.negated ? "!" : "";
    out += kind_name(predicate.kind);
    if (predicate.kind != Predicate::Kind::any && predicate.kind != Predicate::Kind::all)
        return out + ':' + predicate.argument;
    out += '(';
    // Parsing bounds how deep predicates nest.
    for (std::size_t i = 0; i < predicate.parts.size(); ++i) {
        if (i != 0) out += ", ";
        out += to_string(predicate.parts[i]);
    }
    return out + ')';
}

bool same_definition(const UnitFile& a, const UnitFile& b) {
    return a.name == b.name && a.kind == b.kind && a.enabled == b.enabled &&
           a.stop_when_unneeded == b.stop_when_unneeded &&
           a.ignore_on_isolate == b.ignore_on_isolate &&
           a.refuse_manual_start == b.refuse_manual_start &&
           a.refuse_manual_stop == b.refuse_manual_stop && a.transient == b.transient &&
           a.wait_timeout == b.wait_timeout && a.description == b.description &&
           a.aliases == b.aliases && a.links == b.links && a.sets == b.sets &&
           a.leases == b.leases && a.control == b.control && a.predicates == b.predicates &&
           a.log == b.log && same_service(a.service, b.service) && a.device == b.device;
}

void share_parts(UnitFile& unit, const UnitFile& other) {
    unit.predicates.share(other.predicates);
    unit.log.share(other.log);
    if (!unit.service || !other.service) return;
    unit.service->backoff.share(other.service->backoff);
    unit.service->limit.share(other.service->limit);
    unit.service->exits.share(other.service->exits);
    unit.service->surroundings.share(other.service->surroundings);
}

}  // namespace reeve::units
