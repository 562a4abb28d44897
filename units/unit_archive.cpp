#include "units/unit_archive.hpp"

namespace reeve::units {

using archive::Some;

namespace {

// Of the order of all fields below. Another number: not read.
constexpr std::uint32_t version = 1;

}  // namespace

// ── every field of every part; the bindings break when there is one more ───────────────────────

template <class Archive, Some<Link> V>
void describe(Archive& archive, V& value) {
    auto& [relation, ordered, unit] = value;
    archive(relation, ordered, unit);
}

template <class Archive, Some<Predicate> V>
void describe(Archive& archive, V& value) {
    auto& [kind, negated, argument, parts] = value;
    archive(kind, negated, argument, parts);
}

template <class Archive, Some<Predicates> V>
void describe(Archive& archive, V& value) {
    auto& [gate, condition, assertion, gate_lost] = value;
    archive(gate, condition, assertion, gate_lost);
}

template <class Archive, Some<Command> V>
void describe(Archive& archive, V& value) {
    auto& [phase, ignore_failure, as_root, expand, argv] = value;
    archive(phase, ignore_failure, as_root, expand, argv);
}

template <class Archive, Some<Backoff> V>
void describe(Archive& archive, V& value) {
    auto& [first, factor, max, reset_after] = value;
    archive(first, factor, max, reset_after);
}

template <class Archive, Some<Limit> V>
void describe(Archive& archive, V& value) {
    auto& [starts, within, then, argument] = value;
    archive(starts, within, then, argument);
}

template <class Archive, Some<ExitStatusSet> V>
void describe(Archive& archive, V& value) {
    auto& [codes, signals] = value;
    archive(codes, signals);
}

template <class Archive, Some<ExitRules> V>
void describe(Archive& archive, V& value) {
    auto& [success, restart_prevent, restart_force] = value;
    archive(success, restart_prevent, restart_force);
}

template <class Archive, Some<EnvironmentFile> V>
void describe(Archive& archive, V& value) {
    auto& [path, optional] = value;
    archive(path, optional);
}

template <class Archive, Some<Surroundings> V>
void describe(Archive& archive, V& value) {
    auto& [environment, environment_files, working_directory, user, group, umask, nofile,
           runtime_directory, state_directory] = value;
    archive(environment, environment_files, working_directory, user, group, umask, nofile,
            runtime_directory, state_directory);
}

template <class Archive, Some<Service> V>
void describe(Archive& archive, V& value) {
    auto& [type, restart, kill_mode, notify_access, daemonic, children, remain_after_exit,
           ignore_sigpipe, kill_signal, ready_fd, start_timeout, stop_timeout, run_timeout,
           watchdog, pid_file, commands, backoff, limit, exits, surroundings] = value;
    archive(type, restart, kill_mode, notify_access, daemonic, children, remain_after_exit,
            ignore_sigpipe, kill_signal, ready_fd, start_timeout, stop_timeout, run_timeout,
            watchdog, pid_file, commands, backoff, limit, exits, surroundings);
}

template <class Archive, Some<LogSpec> V>
void describe(Archive& archive, V& value) {
    auto& [file, memory, ring, max_size, keep, join_stderr] = value;
    archive(file, memory, ring, max_size, keep, join_stderr);
}

template <class Archive, Some<Lease> V>
void describe(Archive& archive, V& value) {
    auto& [device] = value;
    archive(device);
}

template <class Archive, Some<Device> V>
void describe(Archive& archive, V& value) {
    auto& [capacity] = value;
    archive(capacity);
}

template <class Archive, Some<UnitFile> V>
void describe(Archive& archive, V& value) {
    auto& [name, kind, enabled, stop_when_unneeded, ignore_on_isolate, refuse_manual_start,
           refuse_manual_stop, transient, searched, wait_timeout, description, aliases, links, sets,
           leases, control, files, predicates, log, service, device, stamp] = value;
    archive(name, kind, enabled, stop_when_unneeded, ignore_on_isolate, refuse_manual_start,
            refuse_manual_stop, transient, searched, wait_timeout, description, aliases, links,
            sets, leases, control, files, predicates, log, service, device, stamp);
}

// ── what may be missing: a flag before it ──────────────────────────────────────────────────────

template <class T>
void describe(archive::Writer& out, const Rare<T>& rare) {
    const bool is_said = !(rare == Rare<T>{});
    out(is_said);
    if (is_said) out(*rare);
}

template <class T>
void describe(archive::Reader& in, Rare<T>& rare) {
    rare = {};
    if (in.read<bool>()) in(rare.edit());
}

// Found here for what it points to.
void describe(archive::Writer& out, const std::unique_ptr<Service>& service) {
    out(service != nullptr);
    if (service) out(*service);
}

void describe(archive::Reader& in, std::unique_ptr<Service>& service) {
    service.reset();
    if (!in.read<bool>()) return;
    service = std::make_unique<Service>();
    in(*service);
}

// ── units ──────────────────────────────────────────────────────────────────────────────────────

namespace {

std::shared_ptr<UnitFile> read_definition(archive::Reader& in) {
    if (in.read<std::uint32_t>() != version)
        throw std::invalid_argument{"saved definition: unknown version"};
    auto unit = std::make_shared<UnitFile>();
    in(*unit);
    return unit;
}

}  // namespace

void describe(archive::Writer& out, const UnitPtr& unit) {
    out(version, *unit);
}

void describe(archive::Reader& in, UnitPtr& unit) {
    unit = read_definition(in);
}

void describe(archive::Writer& out, const std::vector<UnitPtr>& units) {
    out(units.size());
    for (const UnitPtr& each : units) out(each);
}

void describe(archive::Reader& in, std::vector<UnitPtr>& units) {
    units.clear();
    for (auto left = in.read<std::size_t>(); left > 0; --left) {
        auto unit = read_definition(in);
        if (!units.empty()) share_parts(*unit, *units.back());
        units.push_back(std::move(unit));
    }
}

std::string to_bytes(const UnitFile& unit) {
    archive::Writer out;
    out(version, unit);
    return out.take();
}

UnitPtr unit_from_bytes(std::string_view bytes) {
    auto in = archive::Reader::of_whole(bytes);
    auto unit = in.read<UnitPtr>();
    in.finish();
    return unit;
}

}  // namespace reeve::units
