// The part of Runs for a manager that takes over from a dead one: it first learns what the other
// had been asked for and had heard, then looks what is so.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/core/engine.hpp"
#include "daemon/runs.hpp"
#include "hal/posix/log.hpp"
#include "units/archive.hpp"

namespace reeve {

// ── from the journal ───────────────────────────────────────────────────────────────────────────

void Runs::remember(const core::BeginRun& action, units::UnitPtr definition) {
    Live& live = live_[action.unit];
    live = Live{};
    live.run = action.run;
    live.definition = std::move(definition);
    if (action.found) live.main = {action.unit, action.run, 1};
}

// Held until it is known to have begun; what was never cloned is started by resume().
void Runs::remember(const core::Spawn& action, core::Result result) {
    Live* live = find(action.process.unit, action.process.run);
    if (!live) return;
    role_of(*live, action) = action.process;
    live->seldom.edit().held.push_back({action, result});
}

void Runs::remember(const core::FindMain& action) {
    if (Live* live = find(action.unit, action.run)) live->finding_main = true;
}

void Runs::remember(const core::EndRun& action) {
    if (find(action.unit, action.run)) live_.erase(action.unit);
}

void Runs::remember(const core::Event& event) {
    if (const auto* spawned = std::get_if<core::Spawned>(&event)) {
        forget_held(spawned->process);
    } else if (const auto* failed = std::get_if<core::SpawnFailed>(&event)) {
        forget_held(failed->process);
    } else if (const auto* exited = std::get_if<core::Exited>(&event)) {
        forget_held(exited->process);
        Live* live = find(exited->process.unit, exited->process.run);
        if (live && live->main == exited->process) live->last_exit = exited->status;
    } else if (const auto* found = std::get_if<core::MainFound>(&event)) {
        Live* live = find(found->unit, found->run);
        if (live) live->main_found = true, live->finding_main = false;
    } else if (const auto* missing = std::get_if<core::MainMissing>(&event)) {
        if (Live* live = find(missing->unit, missing->run)) live->finding_main = false;
    } else if (const auto* ended = std::get_if<core::MainExited>(&event)) {
        Live* live = find(ended->unit, ended->run);
        if (live) live->main_found = false, live->last_exit = ended->status;
    }
}

void Runs::remember_status(core::UnitId unit, core::RunId run, std::string text) {
    if (Live* live = find(unit, run)) live->seldom.edit().status = std::move(text);
}

void Runs::forget_held(core::ProcessRef process) {
    if (Live* live = find(process.unit, process.run)) take_held(*live, process);
}

// ── in a snapshot ──────────────────────────────────────────────────────────────────────────────

// A spawn that a thread has, or is to have, counts as held: its slot tells whether it happened.
std::string Runs::save() const {
    archive::Writer out;
    out(invocation_prefix_, live_.size());
    for (const auto& [unit, live] : live_) {
        out(unit, live.run, live.main.step, live.control.step, live.main_found, live.finding_main);
        out(live.seldom->status, live.last_exit.has_value());
        const auto exit = live.last_exit.value_or(core::ExitStatus{});
        out(exit.code, exit.signal, exit.core_dumped, exit.unknown);
        std::vector<HeldSpawn> held = live.seldom->held;
        for (auto it = under_way_.lower_bound({unit, live.run, 0});
             it != under_way_.end() && it->first.unit == unit && it->first.run == live.run; ++it)
            held.push_back(it->second);
        out(held.size());
        for (const HeldSpawn& each : held)
            out(each.action.process.step, each.action.phase, each.action.index, each.result);
    }
    return out.finish();
}

void Runs::load(std::string_view saved, const core::Engine& engine) {
    archive::Reader in{saved};
    in(invocation_prefix_);
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto unit = in.read<core::UnitId>();
        Live live;
        in(live.run);
        live.definition = engine.definition_of_run(unit);
        live.main = {unit, live.run, in.read<std::uint32_t>()};
        live.control = {unit, live.run, in.read<std::uint32_t>()};
        in(live.main_found, live.finding_main);
        auto status = in.read<std::string>();
        if (!status.empty()) live.seldom.edit().status = std::move(status);
        const auto has_ended = in.read<bool>();
        core::ExitStatus exit;
        in(exit.code, exit.signal, exit.core_dumped, exit.unknown);
        if (has_ended) live.last_exit = exit;
        for (auto held = in.read<std::size_t>(); held > 0; --held) {
            HeldSpawn each;
            each.action.process = {unit, live.run, in.read<std::uint32_t>()};
            in(each.action.phase, each.action.index, each.result);
            live.seldom.edit().held.push_back(each);
        }
        if (!live.definition) throw std::invalid_argument{"saved state: a run of no definition"};
        live_.insert_or_assign(unit, std::move(live));
    }
    in.finish();
}

// ── what is so ─────────────────────────────────────────────────────────────────────────────────

namespace {

// Of a key only the low bits of a run are known: the last run of the unit with these.
core::RunId run_of(std::uint64_t key, core::RunId last) {
    constexpr std::uint64_t bits = 0xffffff;
    const auto known = static_cast<std::uint64_t>(last);
    const std::uint64_t run = (known & ~bits) | (key >> 8U & bits);
    return core::RunId{run <= known || run <= bits ? run : run - bits - 1};
}

core::UnitId unit_of(std::uint64_t key) {
    return core::UnitId{static_cast<std::uint32_t>(key >> 32U)};
}

}  // namespace

void Runs::resume(const core::Engine& engine, Kept kept) {
    containment_.look_below(::getppid());
    adopt_logs(engine, kept);
    for (auto& [unit, live] : live_) adopt_run(unit, live, kept);
    std::vector<std::pair<core::UnitId, std::string>> all;
    for (const core::UnitId unit : engine.all()) all.emplace_back(unit, engine.name(unit));
    containment_.adopt_rest(all);
    const auto with_process = adopt_processes();
    for (auto& [unit, live] : live_) go_on(unit, live, with_process.contains(unit));
}

// Rings first, then the pipes of all runs: see Logs.
void Runs::adopt_logs(const core::Engine& engine, Kept& kept) {
    for (const bool rings : {true, false}) {
        for (auto& [key, fd] : kept) {
            const init::Kind kind = init::kind_of(key);
            const core::UnitId unit = unit_of(key);
            const bool is_pipe = kind == init::Kind::out_pipe || kind == init::Kind::err_pipe;
            if (rings ? kind != init::Kind::log_ring : !is_pipe) continue;
            const auto definition = engine.definition_of_run(unit);
            if (!definition) {
                estate_.custodian->drop(key);
                continue;
            }
            if (rings) {
                logs_.adopt_ring(unit, definition->name, *definition->log, std::move(fd));
            } else {
                const auto stream =
                    kind == init::Kind::out_pipe ? os::LogStream::out : os::LogStream::err;
                logs_.adopt_pipe(unit, definition->name, *definition->log,
                                 run_of(key, engine.view(unit).run), stream, std::move(fd));
            }
        }
    }
}

void Runs::adopt_run(core::UnitId unit, Live& live, Kept& kept) {
    const std::string& name = live.definition->name;
    live.cgroup = containment_.adopt(unit, name, live.run, mark_of(live.run));
    logs_.adopt_run(unit, name, live.run, *live.definition->log);
    const auto taken = [&](init::Kind kind) {
        const auto found = kept.find(key_of(unit, live.run, kind));
        return found != kept.end() ? std::move(found->second) : posix::Fd{};
    };
    if (uses_notify(*live.definition->service))
        open_notify(unit, live, taken(init::Kind::notify_socket));
    if (posix::Fd pipe = taken(init::Kind::ready_pipe)) watch_ready(unit, live, std::move(pipe));
}

// The units of which news will come.
std::set<core::UnitId> Runs::adopt_processes() {
    std::set<core::UnitId> with_process;
    if (estate_.slots == nullptr) return with_process;
    estate_.slots->for_each_used([&](state::Slot& slot) {
        const core::UnitId unit{slot.unit};
        Live* live = find(unit, core::RunId{slot.run});
        if (!live)
            estate_.slots->give_back(slot);  // the run is over, so nothing is to be told of it
        else if (adopt_process(*live, slot))
            with_process.insert(unit);
    });
    return with_process;
}

bool Runs::adopt_process(Live& live, state::Slot& slot) {
    const core::UnitId unit{slot.unit};
    const auto belongs = [&](pid_t pid) { return containment_.contains(unit, live.run, pid); };
    containment_.adopted(unit, live.run, mark_of(live.run), os::pid_in(slot));
    if (slot.use == state::Use::main) {
        if (live.main_found)
            keep_hold(live, slot, children_.adopt(slot, true, belongs));
        else
            estate_.slots->give_back(slot);  // nobody was told: it is looked for again
        return live.main_found;
    }
    const core::ProcessRef process = os::process_of(slot);
    const auto held = take_held(live, process);
    const auto found = children_.adopt(slot, !held, belongs);
    keep_hold(live, slot, found);
    if (held && found == os::TakenOver::Found::never_begun)
        live.seldom.edit().held.push_back(*held);
    else if (held)
        under_way_[process] = *held;  // until it is told
    return true;
}

// It may have written over its environment, and with it over the mark.
void Runs::keep_hold(const Live& live, state::Slot& slot, os::TakenOver::Found found) {
    using Found = os::TakenOver::Found;
    if (found == Found::running || found == Found::before_exec)
        containment_.joined(core::UnitId{slot.unit}, live.run, os::pid_in(slot));
}

// Whatever it reaped: the last of a run may be among it.
void Runs::exits_stored() {
    children_.exits_stored();
    containment_.after_reap();
}

void Runs::keeper_has_gone() {
    containment_.look_below(0);
}

// A main process that is still to begin needs the end of its ready-fd that writes.
void Runs::give_ready_end(core::UnitId unit, Live& live) {
    if (live.definition->service->ready_fd < 0) return;
    if (live.ready_read) {
        const std::string read_end = "/proc/self/fd/" + std::to_string(live.ready_read.get());
        live.ready_write = posix::Fd{::open(read_end.c_str(), O_WRONLY | O_CLOEXEC)};
        if (live.ready_write) return;
        loop_.unwatch(live.ready_read.get());
    }
    try {
        open_ready_pipe(unit, live);
    } catch (const std::system_error& e) {
        log::warn("unit {}: {}: it cannot tell that it is ready", live.definition->name, e.what());
    }
}

// What had been asked for and not begun; and where nothing is left, nobody else tells of that.
void Runs::go_on(core::UnitId unit, Live& live, bool has_process) {
    const auto& held = live.seldom->held;
    const bool waits = !held.empty();
    if (std::ranges::any_of(
            held, [](const HeldSpawn& each) { return each.action.phase == units::Phase::main; }))
        give_ready_end(unit, live);
    prepare(unit, live);
    if (live.prepared)
        for (const HeldSpawn& each : take_held(live)) start_in_turn(live, each);
    if (live.finding_main) find_main({unit, live.run});
    if (!waits && !has_process) after_end(unit, live.run);
}

}  // namespace reeve
