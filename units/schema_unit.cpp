// The rows of [unit], [device], [hal], [log] and [access].
#include <algorithm>
#include <array>

#include "units/names.hpp"
#include "units/schema.hpp"

namespace reeve::units {

namespace {

constexpr std::string_view list_of_names = "list of names";
constexpr std::string_view list_of_predicates = "list of predicates";

template <bool UnitFile::*Field>
void read_flag(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.flag(node)) unit.*Field = *value;
}

constexpr bool may_be_unordered(Relation relation) {
    return relation == Relation::requires_ || relation == Relation::binds_to ||
           relation == Relation::requisite;
}

// { unit = "x", order = "none" }
std::optional<Link> read_link_table(Reader& reader, const Node& node, Relation relation) {
    Link link;
    link.relation = relation;
    for (const Entry& entry : node.entries) {
        const Reader::Scope scope{reader, entry.key};
        if (entry.key == "unit") {
            if (auto name = reader.unit_name(entry.value)) link.unit = std::move(*name);
        } else if (entry.key == "order" && may_be_unordered(relation)) {
            if (reader.choice(entry.value, {"none"})) link.ordered = false;
        } else if (entry.key == "order") {
            reader.complain(entry,
                            "only requires, binds-to and requisite have an order to leave out");
        } else {
            reader.complain(entry, "unknown key; known are unit and order");
        }
    }
    if (node.find("unit") == nullptr) reader.complain(node, "missing: unit = \"NAME\"");
    if (link.unit.empty()) return std::nullopt;
    return link;
}

template <Relation R>
void read_relation(Reader& reader, const Node& node, UnitFile& unit) {
    for (const Node& item : reader.list(node, "a list of names such as [\"network\"]")) {
        if (item.type == Node::Type::table) {
            if (auto link = read_link_table(reader, item, R))
                unit.links.push_back(std::move(*link));
        } else if (auto name = reader.unit_name(item)) {
            unit.links.push_back({R, true, std::move(*name)});
        }
    }
}

template <std::vector<Predicate> Predicates::*Field>
void read_predicate_list(Reader& reader, const Node& node, UnitFile& unit) {
    auto list = read_predicates(reader, node);
    if (!list.empty()) unit.predicates.edit().*Field = std::move(list);
}

void read_description(Reader& reader, const Node& node, UnitFile& unit) {
    if (auto text = reader.string(node, "a text")) unit.description = std::move(*text);
}

// In a template "b@" stands for "b@i" of each instance.
void read_aliases(Reader& reader, const Node& node, UnitFile& unit) {
    unit.aliases = read_names(reader, node);
    for (std::string& alias : unit.aliases) {
        if (!is_template(alias)) continue;
        if (reader.name().find('@') == std::string_view::npos)
            reader.complain(node,
                            "found " + in_quotes(alias) + ": only a template may have this alias");
        else
            alias += instance_of(reader.name());
    }
}

void read_gate_lost(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::array values{GateLost::ignore, GateLost::stop, GateLost::restart};
    if (const auto index = reader.choice(node, {"ignore", "stop", "restart"}))
        unit.predicates.edit().gate_lost = values.at(*index);
}

void read_wait_timeout(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.duration(node, Reader::Bound::positive))
        unit.wait_timeout = *value;
}

void read_sets(Reader& reader, const Node& node, UnitFile& unit) {
    for (const Node& item : reader.list(node, "a list of events such as [\"calibrated\"]"))
        if (auto name = reader.event_name(item)) unit.sets.push_back(std::move(*name));
}

// Only a template may have one; which it is, the loader asks before the unit exists.
void read_default_instance(Reader& reader, const Node& node, UnitFile&) {
    const auto text = reader.string(node, "the name of an instance");
    if (!text) return;
    if (reader.name().find('@') == std::string_view::npos)
        reader.complain(node, "only a template, NAME@.toml, has instances");
    else if (text->empty() || text->find('@') != std::string::npos || !is_unit_name("a@" + *text))
        reader.expected(node, "the name of an instance, which follows the @");
}

void read_class(Reader& reader, const Node& node, UnitFile&) {
    reader.choice(node, {"semaphore"},
                  {"i2c", "spi", "gpio", "tty", "serial", "can", "input", "video", "camera",
                   "audio", "block", "net", "usb", "pwm", "adc", "iio", "watchdog", "drm", "node"});
}

void read_capacity(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto value = reader.integer(node, 1, 65'535))
        unit.device.capacity = static_cast<std::uint32_t>(*value);
}

std::optional<std::string> read_lease_table(Reader& reader, const Node& node) {
    std::optional<std::string> device;
    for (const Entry& entry : node.entries) {
        const Reader::Scope scope{reader, entry.key};
        if (entry.key == "device")
            device = reader.unit_name(entry.value);
        else if (entry.key == "mode")
            reader.choice(entry.value, {"exclusive"}, {"shared", "read", "write"});
        else if (entry.key == "priority" || entry.key == "on-loss" || entry.key == "ttl")
            reader.complain(entry, "not in this version");
        else
            reader.complain(entry, "unknown key; known are device and mode");
    }
    if (node.find("device") == nullptr) reader.complain(node, "missing: device = \"NAME\"");
    return device;
}

void read_lease(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "a list such as [\"i2c-sensors\"] or [{ device = \"…\" }]";
    for (const Node& item : reader.list(node, what)) {
        auto device = item.type == Node::Type::table ? read_lease_table(reader, item)
                                                     : reader.unit_name(item);
        if (!device) continue;
        if (std::ranges::find(unit.leases, *device, &Lease::device) != unit.leases.end())
            reader.complain(item, "found " + in_quotes(*device) + " a second time");
        else
            unit.leases.push_back({std::move(*device)});
    }
}

void read_log_to(Reader& reader, const Node& node, UnitFile& unit) {
    LogSpec& log = unit.log.edit();
    log.file = log.memory = false;
    for (const Node& item : reader.list(node, "a list such as [\"file\"]")) {
        const auto index = reader.choice(item, {"file", "memory", "none"},
                                         {"journal", "syslog", "kmsg", "console", "null"});
        if (index == 0U) log.file = true;
        if (index == 1U) log.memory = true;
        if (index == 2U && node.items.size() > 1)
            reader.complain(item, "found \"none\" among others, expected it alone");
    }
}

void read_memory(Reader& reader, const Node& node, UnitFile& unit) {
    const auto size = reader.size(node);
    if (!size) return;
    if (*size < 4096 || *size > (64U << 20U))
        reader.expected(node, "a size from 4KiB to 64MiB");
    else
        unit.log.edit().ring = *size;
}

void read_max_size(Reader& reader, const Node& node, UnitFile& unit) {
    const auto size = reader.size(node);
    if (!size) return;
    if (*size < 4096)
        reader.expected(node, "a size of at least 4KiB");
    else
        unit.log.edit().max_size = *size;
}

void read_keep(Reader& reader, const Node& node, UnitFile& unit) {
    if (const auto count = reader.integer(node, 0, 1000))
        unit.log.edit().keep = static_cast<std::uint32_t>(*count);
}

void read_log_stderr(Reader& reader, const Node& node, UnitFile& unit) {
    if (reader.choice(node, {"stdout"}, {"file", "memory", "none"}))
        unit.log.edit().join_stderr = true;
}

void read_control(Reader& reader, const Node& node, UnitFile& unit) {
    constexpr std::string_view what = "\"user:NAME\" or \"group:NAME\"";
    for (const Node& item : reader.list(node, "a list such as [\"group:operators\"]")) {
        auto who = reader.string(item, what);
        if (!who) continue;
        const auto colon = who->find(':');
        const std::string_view kind = std::string_view{*who}.substr(0, colon);
        if ((kind != "user" && kind != "group") || colon == std::string::npos ||
            colon + 1 == who->size())
            reader.expected(item, what);
        else
            unit.control.push_back(std::move(*who));
    }
}

}  // namespace

std::span<const Row> unit_rows() {
    static constexpr std::array rows{
        Row{"unit", "description", "text", "UTF-8", "empty", "\"Reads the IMU over I2C\"",
            "One line for people.", read_description},
        Row{"unit", "aliases", list_of_names, "", "none", "[\"imu\"]",
            "Further names of this unit.", read_aliases, true},
        Row{"unit", "after", list_of_names, "", "none", "[\"network\"]",
            "Order only: start when these have settled; stop before them.",
            read_relation<Relation::after>, true},
        Row{"unit", "before", list_of_names, "", "none", "[\"shutdown\"]",
            "The same from the other side.", read_relation<Relation::before>, true},
        Row{"unit", "requires", "list of names or { unit, order = \"none\" }", "", "none",
            "[\"db\", { unit = \"cache\", order = \"none\" }]",
            "Started too and up first; if one is stopped, so is this unit. Implies `after`.",
            read_relation<Relation::requires_>, true},
        Row{"unit", "wants", list_of_names, "", "none", "[\"time-sync\"]",
            "Started too; no shared fate, and order only if this is a target, and then only if the "
            "opposite is not written.",
            read_relation<Relation::wants>, true},
        Row{"unit", "binds-to", "list of names or { unit, order = \"none\" }", "", "none",
            "[\"session-bus\"]",
            "As `requires`; and when one ends by itself, this unit goes and starts again with it.",
            read_relation<Relation::binds_to>, true},
        Row{"unit", "requisite", "list of names or { unit, order = \"none\" }", "", "none",
            "[\"rack\"]", "Must be up, but is not started. Implies `after`.",
            read_relation<Relation::requisite>, true},
        Row{"unit", "part-of", list_of_names, "", "none", "[\"stack\"]",
            "When one of these is stopped or restarted, so is this unit.",
            read_relation<Relation::part_of>, true},
        Row{"unit", "conflicts", list_of_names, "", "none", "[\"maintenance\"]",
            "Never runs together with these; starting one stops the other.",
            read_relation<Relation::conflicts>, true},
        Row{"unit", "on-failure", list_of_names, "", "none", "[\"safe-state\"]",
            "Asked up when this unit fails.", read_relation<Relation::on_failure>, true},
        Row{"unit", "on-success", list_of_names, "", "none", "[\"upload\"]",
            "Asked up when this unit is done.", read_relation<Relation::on_success>, true},
        Row{"unit", "wanted-by", list_of_names, "", "none", "[\"default\"]",
            "Puts this unit into the `wants` of these while it is enabled.",
            read_relation<Relation::wanted_by>, true},
        Row{"unit", "required-by", list_of_names, "", "none", "[\"default\"]",
            "Puts this unit into the `requires` of these while it is enabled.",
            read_relation<Relation::required_by>, true},
        Row{"unit", "enabled", "boolean", "", "true", "false",
            "Whether `wanted-by` and `required-by` count.", read_flag<&UnitFile::enabled>},
        Row{"unit", "default-instance", "text", "", "none", "\"tty1\"",
            "The instance that a template's bare name NAME@ means.", read_default_instance},
        Row{"unit", "stop-when-unneeded", "boolean", "", "false", "true",
            "Goes when no unit that is wanted names it any more.",
            read_flag<&UnitFile::stop_when_unneeded>},
        Row{"unit", "ignore-on-isolate", "boolean", "", "false", "true",
            "Is left alone by `isolate`.", read_flag<&UnitFile::ignore_on_isolate>},
        Row{"unit", "refuse-manual-start", "boolean", "", "false", "true",
            "Starts only for another unit's sake.", read_flag<&UnitFile::refuse_manual_start>},
        Row{"unit", "refuse-manual-stop", "boolean", "", "false", "true",
            "Stops only with another unit.", read_flag<&UnitFile::refuse_manual_stop>},
        Row{"unit", "gate", list_of_predicates, "kinds event, unit, path, device", "none",
            "[\"event:calibrated\", { any = [\"path:/data/a\", \"path:/data/b\"] }]",
            "Starts when all hold; watched while it waits and while it is up.",
            read_predicate_list<&Predicates::gate>, true},
        Row{"unit", "gate-lost", "word", "ignore, stop, restart", "ignore", "\"restart\"",
            "What happens to a running unit whose gate no longer holds.", read_gate_lost},
        Row{"unit", "wait-timeout", "duration", "us ms s sec min h d w", "infinity", "\"30s\"",
            "How long it may wait for what it needs before it has failed.", read_wait_timeout},
        Row{"unit", "condition", list_of_predicates, "kinds event, unit, path, device", "none",
            "[\"path:/etc/imu.conf\"]", "Tested once a start; if one does not hold it is skipped.",
            read_predicate_list<&Predicates::condition>, true},
        Row{"unit", "assert", list_of_predicates, "kinds event, unit, path, device", "none",
            "[\"!path:/run/broken\"]", "Tested once a start; if one does not hold it has failed.",
            read_predicate_list<&Predicates::assertion>, true},
        Row{"unit", "sets", "list of events", "", "none", "[\"calibrated\"]",
            "Events that are set while this unit is up.", read_sets, true},
    };
    return rows;
}

std::span<const Row> device_rows() {
    static constexpr std::array rows{
        Row{"device", "class", "word", "semaphore", "must be given", "\"semaphore\"",
            "What kind of device this is.", read_class},
        Row{"device", "capacity", "integer", "1 to 65535", "1", "2",
            "How many may hold it at a time.", read_capacity},
    };
    return rows;
}

std::span<const Row> hal_rows() {
    static constexpr std::array rows{
        Row{"hal", "lease", "list of devices or { device, mode = \"exclusive\" }", "", "none",
            "[\"i2c-sensors\"]",
            "Devices that this unit holds while it runs; all are granted at once or none.",
            read_lease, true},
    };
    return rows;
}

std::span<const Row> log_rows() {
    static constexpr std::array rows{
        Row{"log", "to", "list of words", "file, memory, none", "[\"memory\"]", "[\"file\"]",
            "Where the output goes.", read_log_to},
        Row{"log", "memory", "size", "4KiB to 64MiB", "the manager's", "\"64KiB\"",
            "How much of the output is kept in memory.", read_memory},
        Row{"log", "max-size", "size", "B KiB MiB GiB kB MB GB", "1MiB", "\"512KiB\"",
            "A file of this size is rotated.", read_max_size},
        Row{"log", "keep", "integer", "0 to 1000", "3", "5", "How many rotated files are kept.",
            read_keep},
        Row{"log", "stderr", "word", "stdout", "a stream of its own", "\"stdout\"",
            "Joins the error output to the output, in exact order.", read_log_stderr},
    };
    return rows;
}

std::span<const Row> access_rows() {
    static constexpr std::array rows{
        Row{"access", "control", "list", "user:NAME, group:NAME", "none", "[\"group:operators\"]",
            "Who may start, stop and signal this unit, besides root and group reeve.", read_control,
            true},
    };
    return rows;
}

}  // namespace reeve::units
