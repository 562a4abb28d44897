#include "daemon/core/event_archive.hpp"

#include "units/unit_archive.hpp"

namespace reeve::core {

using archive::Some;

// Every field of every event; the bindings break when there is one more.

template <class Archive, Some<ProcessRef> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run, step] = value;
    archive(unit, run, step);
}

template <class Archive, Some<ExitStatus> V>
void describe(Archive& archive, V& value) {
    auto& [code, signal, core_dumped, unknown] = value;
    archive(code, signal, core_dumped, unknown);
}

template <class Archive, Some<Caller> V>
void describe(Archive& archive, V& value) {
    auto& [id, by, deadline] = value;
    archive(id, by, deadline);
}

template <class Archive, Some<StartRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<StopRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<RestartRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit, only_if_running] = value;
    archive(caller, unit, only_if_running);
}

template <class Archive, Some<ReloadRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<IsolateRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<KillRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit, signal, all] = value;
    archive(caller, unit, signal, all);
}

template <class Archive, Some<WaitRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, units] = value;
    archive(caller, units);
}

template <class Archive, Some<ResetFailedRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<ForgetRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<EventRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, name, set] = value;
    archive(caller, name, set);
}

template <class Archive, Some<WaitEventRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, name] = value;
    archive(caller, name);
}

template <class Archive, Some<ShutdownRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, haste] = value;
    archive(caller, haste);
}

template <class Archive, Some<RunRequest> V>
void describe(Archive& archive, V& value) {
    auto& [caller, unit] = value;
    archive(caller, unit);
}

template <class Archive, Some<CancelRequest> V>
void describe(Archive& archive, V& value) {
    auto& [id] = value;
    archive(id);
}

template <class Archive, Some<ApplySet> V>
void describe(Archive& archive, V& value) {
    auto& [units, masked, restart, bad, anew] = value;
    archive(units, masked, restart, bad, anew);
}

template <class Archive, Some<AddUnit> V>
void describe(Archive& archive, V& value) {
    auto& [unit] = value;
    archive(unit);
}

template <class Archive, Some<Spawned> V>
void describe(Archive& archive, V& value) {
    auto& [process] = value;
    archive(process);
}

template <class Archive, Some<SpawnFailed> V>
void describe(Archive& archive, V& value) {
    auto& [process, stage, error, empty] = value;
    archive(process, stage, error, empty);
}

template <class Archive, Some<Exited> V>
void describe(Archive& archive, V& value) {
    auto& [process, status, oom, empty] = value;
    archive(process, status, oom, empty);
}

template <class Archive, Some<Emptied> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run] = value;
    archive(unit, run);
}

template <class Archive, Some<MainFound> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run] = value;
    archive(unit, run);
}

template <class Archive, Some<MainMissing> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run, why] = value;
    archive(unit, run, why);
}

template <class Archive, Some<MainExited> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run, status, oom, empty] = value;
    archive(unit, run, status, oom, empty);
}

template <class Archive, Some<Notified> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run, ready, reloading, stopping, watchdog, watchdog_trigger, extend, error] =
        value;
    archive(unit, run, ready, reloading, stopping, watchdog, watchdog_trigger, extend, error);
}

template <class Archive, Some<PathChanged> V>
void describe(Archive& archive, V& value) {
    auto& [path, exists] = value;
    archive(path, exists);
}

template <class Archive, Some<DeviceChanged> V>
void describe(Archive& archive, V& value) {
    auto& [device, ready] = value;
    archive(device, ready);
}

template <class Archive, Some<PredicatesTested> V>
void describe(Archive& archive, V& value) {
    auto& [unit, existing_paths] = value;
    archive(unit, existing_paths);
}

template <class Archive, Some<LeasesGranted> V>
void describe(Archive& archive, V& value) {
    auto& [unit] = value;
    archive(unit);
}

template <class Archive, Some<LeasesRefused> V>
void describe(Archive& archive, V& value) {
    auto& [unit, why] = value;
    archive(unit, why);
}

template <class Archive, Some<Hindered> V>
void describe(Archive& archive, V& value) {
    auto& [unit, why] = value;
    archive(unit, why);
}

template <class Archive, Some<Found::Running> V>
void describe(Archive& archive, V& value) {
    auto& [unit, run] = value;
    archive(unit, run);
}

template <class Archive, Some<Found> V>
void describe(Archive& archive, V& value) {
    auto& [running, asked, by] = value;
    archive(running, asked, by);
}

template <class Archive, Some<TimePassed> V>
void describe(Archive&, V&) {
    static_assert(std::is_empty_v<TimePassed>);
}

namespace {

template <std::size_t Index = 0>
void read_alternative(archive::Reader& in, std::size_t index, Event& event) {
    if constexpr (Index == std::variant_size_v<Event>)
        throw std::invalid_argument{"saved event: unknown kind"};
    else if (index == Index)
        in(event.emplace<Index>());
    else
        read_alternative<Index + 1>(in, index, event);
}

}  // namespace

void describe(archive::Writer& out, const Event& event) {
    out(event.index());
    std::visit([&out](const auto& alternative) { out(alternative); }, event);
}

void describe(archive::Reader& in, Event& event) {
    read_alternative(in, in.read<std::size_t>(), event);
}

}  // namespace reeve::core
