// What hangs on several keys of one unit: defaults, and what does not fit together.
#include <algorithm>

#include "units/schema.hpp"

namespace reeve::units {

namespace {

const Node* find_value(const Node& root, std::string_view table, std::string_view key) {
    const Entry* entry = root.find(table);
    if (entry == nullptr || entry->value.type != Node::Type::table) return nullptr;
    const Entry* inner = entry->value.find(key);
    return inner == nullptr ? nullptr : &inner->value;
}

void set_defaults(const Node& root, const LoadOptions& options, Service& service) {
    const auto unset = [&](std::string_view key) {
        return find_value(root, "service", key) == nullptr;
    };
    const bool oneshot = service.type == Type::oneshot;
    if (unset("daemonic")) service.daemonic = !oneshot;
    if (unset("restart"))
        service.restart = service.daemonic && !oneshot ? Restart::on_failure : Restart::no;
    if (unset("start-timeout")) service.start_timeout = oneshot ? infinity : options.start_timeout;
    if (unset("stop-timeout")) service.stop_timeout = options.stop_timeout;
}

void check_commands(Reader& reader, const Node& root, const Service& service) {
    const Reader::Scope scope{reader, "service.command"};
    const Node* command = find_value(root, "service", "command");
    const Entry* table = root.find("service");
    if (table->value.type != Node::Type::table) return;
    if (command == nullptr)
        reader.complain(*table, "missing; a service needs a program to run");
    else if (std::ranges::count(service.commands, Phase::main, &Command::phase) > 1 &&
             service.type != Type::oneshot)
        reader.complain(*command, "several commands, expected one unless type is \"oneshot\"");
}

// Keys that mean something for one type only.
void check_type(Reader& reader, const Node& root, const Service& service) {
    const auto only_for = [&](std::string_view key, Type type) {
        const Node* value = find_value(root, "service", key);
        if (value == nullptr || service.type == type) return;
        const Reader::Scope scope{reader, "service." + std::string{key}};
        reader.complain(*value, "only for type = \"" + std::string{to_string(type)} +
                                    "\", and this one is \"" +
                                    std::string{to_string(service.type)} + "\"");
    };
    only_for("pid-file", Type::forking);
    only_for("ready-fd", Type::notify);
    const Node* access = find_value(root, "service", "notify-access");
    if (access != nullptr && service.type == Type::notify && service.ready_fd < 0 &&
        service.notify_access == NotifyAccess::none) {
        const Reader::Scope scope{reader, "service.notify-access"};
        reader.complain(*access, "found \"none\", so this unit of type notify could never be up");
    }
}

void check_backoff(Reader& reader, const Node& root, const Service& service) {
    const Node* backoff = find_value(root, "service", "backoff");
    if (backoff != nullptr && service.backoff->first > service.backoff->max) {
        const Reader::Scope scope{reader, "service.backoff"};
        reader.complain(*backoff, "`first` is longer than `max`");
    }
    const Node* limit = find_value(root, "service", "limit");
    if (limit == nullptr || limit->type != Node::Type::table) return;
    const Reader::Scope scope{reader, "service.limit"};
    if (limit->find("starts") == nullptr) reader.complain(*limit, "missing: starts = N");
    if (limit->find("within") == nullptr) reader.complain(*limit, "missing: within = \"1min\"");
}

void check_tables(Reader& reader, const Node& root, const UnitFile& unit) {
    if (unit.kind == Kind::service) return;
    for (const std::string_view table : {"hal", "log"}) {
        const Entry* entry = root.find(table);
        if (entry == nullptr) continue;
        const Reader::Scope scope{reader, table};
        reader.complain(*entry,
                        "only for services, and this is a " + std::string{to_string(unit.kind)});
    }
}

}  // namespace

void finish_unit(Reader& reader, const Node& root, UnitFile& unit) {
    check_tables(reader, root, unit);
    if (unit.service) {
        set_defaults(root, reader.options(), *unit.service);
        check_commands(reader, root, *unit.service);
        check_type(reader, root, *unit.service);
        check_backoff(reader, root, *unit.service);
    }
    if (unit.kind == Kind::device && find_value(root, "device", "class") == nullptr) {
        const Reader::Scope scope{reader, "device.class"};
        reader.complain(*root.find("device"), "missing; expected class = \"semaphore\"");
    }
    const Node* lost = find_value(root, "unit", "gate-lost");
    if (lost != nullptr && unit.predicates->gate.empty()) {
        const Reader::Scope scope{reader, "unit.gate-lost"};
        reader.complain(*lost, "has no effect without `gate`", Severity::warning);
    }
}

}  // namespace reeve::units
