#include "tests/core/support/sim_world.hpp"

#include <algorithm>

namespace reeve::sim {

using namespace core;
using namespace std::chrono_literals;
using units::KillMode;
using units::Phase;
using units::Predicate;
using units::Type;

namespace {

constexpr int sig_abrt = 6;
constexpr int sig_kill = 9;
constexpr int sig_term = 15;
constexpr std::size_t remembered_news = 48;

bool is_path(const Predicate& p) {
    return p.kind == Predicate::Kind::path;
}

std::uint32_t count_commands(const units::UnitFile& unit, Phase phase) {
    if (!unit.service) return 0;
    return static_cast<std::uint32_t>(
        std::ranges::count(unit.service->commands, phase, &units::Command::phase));
}

bool tolerates_rest(const units::UnitFile& unit) {
    return unit.service && (unit.service->kill_mode == KillMode::process ||
                            unit.service->kill_mode == KillMode::none);
}

}  // namespace

void collect_paths(const std::vector<Predicate>& predicates, std::set<std::string>& paths) {
    for (const auto& predicate : predicates) {
        if (is_path(predicate)) paths.insert(predicate.argument);
        collect_paths(predicate.parts, paths);
    }
}

bool Run::anything_alive() const {
    return std::ranges::any_of(processes,
                               [](const Process& p) { return p.life == Process::Life::alive; }) ||
           std::ranges::any_of(forks, [](const Fork& fork) { return fork.alive; });
}

bool Run::anything_outstanding() const {
    return std::ranges::any_of(processes, [](const Process& p) { return !p.told_ended; }) ||
           std::ranges::any_of(forks, [](const Fork& f) { return f.end_untold; });
}

World::World(Random& random) : random_{random} {
    for (std::uint32_t i = 0; i < 5; ++i) {
        paths_["/p" + std::to_string(i)] = random_.chance(70);
        if (random_.chance(80)) devices_["d" + std::to_string(i)] = 1 + random_.below(3);
    }
    note(leases_.set_devices(devices_));
    for (const auto& [device, capacity] : devices_) tell_of_devices(DeviceChanged{device, true});
}

// ── carrying out what the core says ────────────────────────────────────────────────────────────

void World::act(const Action& action, const units::UnitPtr& definition) {
    if (const auto* a = std::get_if<Spawn>(&action)) act(*a);
    if (const auto* a = std::get_if<SendSignal>(&action)) act(*a);
    if (const auto* a = std::get_if<KillAll>(&action)) act(*a);
    if (const auto* a = std::get_if<BeginRun>(&action)) act(*a, definition);
    if (const auto* a = std::get_if<FindMain>(&action)) act(*a);
    if (const auto* a = std::get_if<EndRun>(&action)) act(*a);
    if (const auto* a = std::get_if<WatchGate>(&action)) act(*a, definition);
    if (const auto* a = std::get_if<UnwatchGate>(&action)) act(*a);
    if (const auto* a = std::get_if<TestPredicates>(&action)) act(*a, definition);
    if (const auto* a = std::get_if<AskLeases>(&action)) act(*a, definition);
    if (const auto* a = std::get_if<ReturnLeases>(&action)) act(*a);
    if (std::holds_alternative<Escalate>(action)) tell(ShutdownRequest{});
}

void World::act(const BeginRun& action, const units::UnitPtr& definition) {
    if (runs_.contains(action.run)) throw Violation{action.unit, "the run has begun already"};
    if (run_of(action.unit)) throw Violation{action.unit, "two runs of one unit"};
    Run run;
    run.unit = action.unit;
    run.id = action.run;
    run.definition = definition;
    if (const auto left = runs_.find(current_[action.unit]); left != runs_.end()) {
        // What is left over is in the same cgroup, and now counts as of this run.
        for (const auto& fork : left->second.forks) {
            if (fork.alive) run.forks.push_back({.deaf = fork.deaf});
        }
        run.emptied = run.forks.empty();
        runs_.erase(left);
    }
    runs_.emplace(action.run, std::move(run));
    current_[action.unit] = action.run;
}

void World::act(const Spawn& action) {
    auto& run = live(action.process.unit, action.process.run, "spawn");
    const auto phase = static_cast<std::size_t>(action.phase);
    if (action.index >= count_commands(*run.definition, action.phase)) {
        throw Violation{run.unit, "spawns a command that the definition does not have"};
    }
    if (action.phase == Phase::reload && action.index == 0) run.next_command[phase] = 0;
    if (action.index != run.next_command[phase]) {
        throw Violation{run.unit, "commands out of order, or one of them twice"};
    }
    ++run.next_command[phase];
    for (const auto& process : run.processes) {
        if (process.ref.step >= action.process.step) {
            throw Violation{run.unit, "a step that is not later than those before"};
        }
        const bool beside_main = process.phase == Phase::main && action.phase != Phase::main;
        if (!process.told_ended && !beside_main) {
            throw Violation{run.unit, "a command begins before the one before has ended"};
        }
    }
    Run::Process process;
    process.ref = action.process;
    process.phase = action.phase;
    run.processes.push_back(process);
    run.emptied = false;
    const auto index = static_cast<std::uint32_t>(run.processes.size() - 1);
    const bool fails = !calm_ && random_.one_in(40);
    const auto delay = random_.one_in(25) ? random_.between(1ms, 3s) : random_.between(50us, 2ms);
    later(delay, {fails ? Act::What::cannot_start : Act::What::starts, run.id, index, {}});
}

void World::act(const SendSignal& action) {
    auto& run = live(action.unit, action.run, "signal");
    for (std::uint32_t i = 0; i < run.processes.size(); ++i) {
        const bool main = run.processes[i].phase == Phase::main;
        if ((action.whom == SendSignal::Whom::main && !main) ||
            (action.whom == SendSignal::Whom::control && main)) {
            continue;
        }
        signal(run, i, action.signal);
    }
    for (std::uint32_t i = 0; i < run.forks.size(); ++i) {
        const bool found = run.forks[i].main && run.forks[i].found;
        if (action.whom == SendSignal::Whom::all ||
            (action.whom == SendSignal::Whom::main && found)) {
            signal_fork(run, i, action.signal);
        }
    }
}

void World::act(const KillAll& action) {
    auto& run = live(action.unit, action.run, "kill");
    for (std::uint32_t i = 0; i < run.processes.size(); ++i) {
        if (action.main_only && run.processes[i].phase != Phase::main) continue;
        signal(run, i, sig_kill);
    }
    for (std::uint32_t i = 0; i < run.forks.size(); ++i) {
        const bool found = run.forks[i].main && run.forks[i].found;
        if (!action.main_only || found) signal_fork(run, i, sig_kill);
    }
}

void World::act(const FindMain& action) {
    auto& run = live(action.unit, action.run, "look for the main process");
    run.find_asked = true;
    const bool never = !calm_ && random_.one_in(20);
    if (!never) later(random_.between(0us, 20ms), {Act::What::find, run.id, 0, {}});
}

void World::act(const EndRun& action) {
    auto& run = live(action.unit, action.run, "end");
    if (run.anything_outstanding()) throw Violation{run.unit, "a run ends before its processes"};
    if (!run.gone() && !tolerates_rest(*run.definition)) {
        throw Violation{run.unit, "a run ends though it was not told that nothing is left"};
    }
    if (run.gone()) {
        runs_.erase(action.run);
    } else {
        run.over = true;
    }
}

void World::act(const WatchGate& action, const units::UnitPtr& definition) {
    if (watching_.contains(action.unit)) throw Violation{action.unit, "watches its gate twice"};
    watching_[action.unit] = definition;
    std::set<std::string> paths;
    collect_paths(definition->predicates->gate, paths);
    for (const auto& path : paths) {
        ++watchers_[path];
        tell(PathChanged{path, paths_[path]});
    }
}

void World::act(const UnwatchGate& action) {
    const auto watch = watching_.find(action.unit);
    if (watch == watching_.end()) throw Violation{action.unit, "unwatches a gate it did not watch"};
    std::set<std::string> paths;
    collect_paths(watch->second->predicates->gate, paths);
    for (const auto& path : paths) {
        if (--watchers_[path] == 0) told_paths_[path] = std::nullopt;
    }
    watching_.erase(watch);
}

void World::act(const TestPredicates& action, const units::UnitPtr& definition) {
    PredicatesTested answer{action.unit, {}};
    std::set<std::string> paths;
    collect_paths(definition->predicates->condition, paths);
    collect_paths(definition->predicates->assertion, paths);
    for (const auto& path : paths) {
        if (paths_[path]) answer.existing_paths.push_back(path);
    }
    ++testing_[action.unit];
    tested_.erase(action.unit);
    last_test_ = std::max(last_test_, now + soon());  // one thread answers, in order
    push(last_test_, std::move(answer));
}

void World::act(const AskLeases& action, const units::UnitPtr& definition) {
    if (asking_.contains(action.unit)) throw Violation{action.unit, "asks twice for its leases"};
    std::vector<std::string> devices;
    for (const auto& lease : definition->leases) devices.push_back(lease.device);
    asking_.insert(action.unit);
    note(leases_.ask(hal::HolderId{static_cast<std::uint64_t>(action.unit)}, std::move(devices)));
}

void World::act(const ReturnLeases& action) {
    asking_.erase(action.unit);
    // The shell, which does this itself, does not pass on what was decided before.
    for (auto& due : due_) {
        const auto* event = std::get_if<Event>(&due.what);
        const auto* granted = event ? std::get_if<LeasesGranted>(event) : nullptr;
        const auto* refused = event ? std::get_if<LeasesRefused>(event) : nullptr;
        const bool void_now =
            (granted && granted->unit == action.unit) || (refused && refused->unit == action.unit);
        if (void_now) due.what = Act{Act::What::check_empty, RunId{}, 0, {}};
    }
    note(leases_.give_back(hal::HolderId{static_cast<std::uint64_t>(action.unit)}));
}

void World::note(const hal::Outcome& outcome) {
    for (const auto holder : outcome.granted) {
        tell_of_devices(LeasesGranted{UnitId{static_cast<std::uint32_t>(holder)}});
    }
    for (const auto& [holder, device] : outcome.refused) {
        tell_of_devices(LeasesRefused{UnitId{static_cast<std::uint32_t>(holder)}, device});
    }
}

// ── what then happens ──────────────────────────────────────────────────────────────────────────

std::optional<TimePoint> World::next() const {
    if (due_.empty()) return std::nullopt;
    return std::max(due_.front().at, now);
}

std::optional<Event> World::happen() {
    std::pop_heap(due_.begin(), due_.end());
    auto due = std::move(due_.back());
    due_.pop_back();
    now = std::max(now, due.at);
    if (auto* step = std::get_if<Act>(&due.what)) {
        if (step->what != Act::What::ping) --pending_;
        return happen(*step);
    }
    --pending_;
    auto& event = std::get<Event>(due.what);
    // Such news is what is so when it is told, however late it comes.
    if (auto* path = std::get_if<PathChanged>(&event)) path->exists = paths_[path->path];
    if (auto* device = std::get_if<DeviceChanged>(&event)) {
        device->ready = devices_.contains(device->device);
    }
    std::visit(
        [&](auto& e) {
            if constexpr (requires { e.empty; }) {
                if constexpr (requires { e.process; }) {
                    e.empty = last_of(e.process.run, e.process.step) && random_.one_in(2);
                } else {
                    e.empty = last_of(e.run, 0) && random_.one_in(2);
                }
            }
        },
        event);
    return std::move(event);
}

std::optional<Event> World::happen(const Act& step) {
    Run* run = find(step.run);
    if (!run) return std::nullopt;
    switch (step.what) {
        case Act::What::starts:
            run->processes[step.index].life = Run::Process::Life::alive;
            tell(*run, Spawned{run->processes[step.index].ref});
            begins(*run, step.index);
            return std::nullopt;
        case Act::What::cannot_start:
            run->processes[step.index].life = Run::Process::Life::ended;
            tell(*run, SpawnFailed{run->processes[step.index].ref, "exec", 2});
            return std::nullopt;
        case Act::What::exits: return ends(*run, step.index, step.status);
        case Act::What::fork_ends: {
            if (step.index >= run->forks.size()) return std::nullopt;
            auto& fork = run->forks[step.index];
            if (!fork.alive) return std::nullopt;
            fork.alive = false;
            if (fork.found) {
                fork.end_untold = true;
                tell(*run, MainExited{run->unit, run->id, step.status});
            }
            check_empty_later(*run);
            return std::nullopt;
        }
        case Act::What::ready:
        case Act::What::reloaded:
            if (run->processes[step.index].life != Run::Process::Life::alive) return std::nullopt;
            run->processes[step.index].stuck = false;
            tell(*run, Notified{.unit = run->unit, .run = run->id, .ready = true});
            return std::nullopt;
        case Act::What::ping: {
            if (run->processes[step.index].life != Run::Process::Life::alive) return std::nullopt;
            if (!calm_ && random_.one_in(60)) return std::nullopt;  // hangs from now on
            later(run->definition->service->watchdog / 2, step);
            return Notified{.unit = run->unit, .run = run->id, .watchdog = true};
        }
        case Act::What::check_empty:
            if (run->anything_alive() || run->emptied) return std::nullopt;
            for (const auto& process : run->processes) {
                // An end that was not told yet is followed by an Emptied of its own.
                if (process.life == Run::Process::Life::ended && !process.told_ended) {
                    return std::nullopt;
                }
            }
            if (std::ranges::any_of(run->forks, &Run::Fork::end_untold)) return std::nullopt;
            return Emptied{run->unit, run->id};
        case Act::What::find: {
            const auto main = std::ranges::find_if(
                run->forks, [](const Run::Fork& fork) { return fork.main && fork.alive; });
            if (main == run->forks.end()) {
                tell(*run, MainMissing{run->unit, run->id, "the PID file is empty"});
            } else {
                main->found = true;
                tell(*run, MainFound{run->unit, run->id});
            }
            return std::nullopt;
        }
    }
    return std::nullopt;
}

void World::begins(Run& run, std::uint32_t index) {
    auto& process = run.processes[index];
    process.deaf = random_.one_in(12);
    if (process.phase == Phase::main) return main_begins(run, index);
    if (!calm_ && random_.one_in(25)) {
        process.stuck = true;
        return;
    }
    if (random_.one_in(40)) run.forks.push_back({.deaf = random_.one_in(3)});
    const bool bad = !calm_ && random_.one_in(12);
    later(random_.between(100us, 60ms),
          {Act::What::exits, run.id, index, bad ? some_end() : ExitStatus{}});
}

void World::main_begins(Run& run, std::uint32_t index) {
    auto& process = run.processes[index];
    const auto& service = *run.definition->service;
    switch (service.type) {
        case Type::oneshot:
            process.stuck = !calm_ && random_.one_in(25);
            if (process.stuck) return;
            later(random_.between(100us, 200ms),
                  {Act::What::exits, run.id, index,
                   !calm_ && random_.one_in(6) ? some_end() : ExitStatus{}});
            if (random_.one_in(15)) run.forks.push_back({.deaf = random_.one_in(4)});
            return;
        case Type::forking:
            if (!random_.one_in(20)) {
                run.forks.push_back({.deaf = random_.one_in(12), .main = true});
            }
            process.stuck = !calm_ && random_.one_in(25);
            if (process.stuck) return;
            later(random_.between(100us, 80ms),
                  {Act::What::exits, run.id, index,
                   !calm_ && random_.one_in(12) ? some_end() : ExitStatus{}});
            if (!calm_ && random_.one_in(5)) {
                later(random_.between(1ms, 5s), {Act::What::fork_ends, run.id, 0, some_end()});
            }
            break;
        case Type::notify:
            process.stuck = !calm_ && random_.one_in(20);
            if (!process.stuck) {
                later(random_.between(100us, 300ms), {Act::What::ready, run.id, index, {}});
            }
            if (service.watchdog.count() > 0)
                later(service.watchdog / 2, {Act::What::ping, run.id, index, {}});
            break;
        case Type::simple:
        case Type::exec:
        case Type::idle: break;
    }
    if (random_.one_in(7)) run.forks.push_back({.deaf = random_.one_in(5)});
    if (calm_ || service.type == Type::forking) return;
    if (random_.one_in(5)) {  // a crasher, or one that is soon done
        later(random_.between(100us, 400ms), {Act::What::exits, run.id, index, some_end()});
    } else if (random_.one_in(3)) {
        later(random_.between(400ms, 60s), {Act::What::exits, run.id, index, some_end()});
    }
}

std::optional<Event> World::ends(Run& run, std::uint32_t index, ExitStatus status) {
    auto& process = run.processes[index];
    if (process.life != Run::Process::Life::alive) return std::nullopt;
    process.life = Run::Process::Life::ended;
    process.status = status;
    tell(run, Exited{process.ref, status, status.signal == sig_kill && random_.one_in(10)});
    const bool keeps_children =
        run.definition->service->type == Type::forking && process.phase == Phase::main;
    for (std::uint32_t i = 0; i < run.forks.size() && !keeps_children; ++i) {
        if (run.forks[i].alive && random_.chance(50)) {
            later(soon(), {Act::What::fork_ends, run.id, i, {}});
        }
    }
    return std::nullopt;
}

void World::check_empty_later(const Run& run) {
    if (run.anything_alive() || run.emptied) return;
    later(soon(), {Act::What::check_empty, run.id, 0, {}});
}

void World::signal(Run& run, std::uint32_t index, int signal) {
    auto& process = run.processes[index];
    // What is not there yet is not reached; what is about to go is not hurried.
    if (process.life != Run::Process::Life::alive) return;
    const bool fatal = signal == sig_kill || signal == sig_abrt || random_.chance(30) ||
                       ((signal == sig_term || signal == 2) && !process.deaf);
    if (!fatal || (process.deaf && signal != sig_kill)) return;
    ExitStatus status{.signal = signal, .core_dumped = signal == sig_abrt};
    if (signal != sig_kill && random_.chance(50))
        status = random_.one_in(6) ? some_end() : ExitStatus{};
    later(death_takes(signal), {Act::What::exits, run.id, index, status});
}

void World::signal_fork(Run& run, std::uint32_t index, int signal) {
    auto& fork = run.forks[index];
    if (!fork.alive || (fork.deaf && signal != sig_kill)) return;
    later(death_takes(signal), {Act::What::fork_ends, run.id, index, {.signal = signal}});
}

Duration World::death_takes(int signal) {
    // Even KILL takes its time while a process hangs in the kernel.
    if (!calm_ && random_.one_in(signal == sig_kill ? 60 : 20)) return random_.between(100ms, 20s);
    return random_.between(50us, 30ms);
}

ExitStatus World::some_end() {
    switch (random_.below(6)) {
        case 0:
        case 1: return {.code = 0};
        case 2: return {.code = 1};
        case 3: return {.code = 3};
        case 4:
            return {.signal = random_.one_in(2) ? 11 : sig_term, .core_dumped = random_.one_in(2)};
        default: return {.signal = sig_kill};
    }
}

// ── what the core is told ──────────────────────────────────────────────────────────────────────

void World::told(const Event& event) {
    const auto process_of = [&](const ProcessRef& ref) -> Run::Process* {
        Run* run = find(ref.run);
        if (!run) return nullptr;
        const auto it = std::ranges::find(run->processes, ref, &Run::Process::ref);
        return it == run->processes.end() ? nullptr : &*it;
    };
    const auto ended = [&](const ProcessRef& ref, bool unclean, bool empty) {
        auto* process = process_of(ref);
        if (!process || process->told_ended) return;  // told before, or long over
        Run& run = *find(ref.run);
        process->told_ended = true;
        run.emptied = empty;
        run.unclean = run.unclean || unclean;
        if (process->phase == Phase::main) {
            const bool parent = run.definition->service->type == Type::forking;
            if (parent) run.parent_ended = true;
            if (!parent || unclean) run.main_ended = true;
        }
        check_empty_later(run);
    };
    if (const auto* e = std::get_if<Spawned>(&event)) {
        if (auto* process = process_of(e->process)) process->told_started = true;
    } else if (const auto* f = std::get_if<SpawnFailed>(&event)) {
        ended(f->process, true, f->empty);
    } else if (const auto* x = std::get_if<Exited>(&event)) {
        ended(x->process, x->status.signal != 0 || x->status.code != 0, x->empty);
    } else if (const auto* m = std::get_if<MainExited>(&event)) {
        if (Run* run = find(m->run)) {
            run->main_ended = true;
            run->emptied = m->empty;
            for (auto& fork : run->forks) fork.end_untold = false;
            check_empty_later(*run);
        }
    } else if (const auto* y = std::get_if<Emptied>(&event)) {
        if (Run* run = find(y->run)) run->emptied = true;
    } else if (const auto* k = std::get_if<MainFound>(&event)) {
        if (Run* run = find(k->run)) run->main_known = true;
    } else if (const auto* w = std::get_if<MainMissing>(&event)) {
        if (Run* run = find(w->run)) run->unclean = true;
    } else if (const auto* n = std::get_if<Notified>(&event)) {
        if (Run* run = find(n->run)) {
            run->ready = run->ready || n->ready;
            run->said_stopping = run->said_stopping || n->stopping;
            run->trigger = run->trigger || n->watchdog_trigger;
        }
    } else if (const auto* p = std::get_if<PathChanged>(&event)) {
        if (watchers_[p->path] > 0) told_paths_[p->path] = p->exists;
    } else if (const auto* d = std::get_if<DeviceChanged>(&event)) {
        told_devices_[d->device] = d->ready;
    } else if (const auto* t = std::get_if<PredicatesTested>(&event)) {
        --testing_[t->unit];
        tested_[t->unit] = t->existing_paths;
    } else if (const auto* g = std::get_if<LeasesGranted>(&event)) {
        asking_.erase(g->unit);
    } else if (const auto* r = std::get_if<LeasesRefused>(&event)) {
        asking_.erase(r->unit);
    } else if (const auto* h = std::get_if<Hindered>(&event)) {
        h->why.empty() ? (void)hindered_.erase(h->unit) : (void)hindered_.insert(h->unit);
    }
    const bool news =
        std::holds_alternative<Spawned>(event) || std::holds_alternative<SpawnFailed>(event) ||
        std::holds_alternative<Exited>(event) || std::holds_alternative<Emptied>(event) ||
        std::holds_alternative<MainFound>(event) || std::holds_alternative<MainMissing>(event) ||
        std::holds_alternative<MainExited>(event) || std::holds_alternative<Notified>(event);
    if (!news || !random_.one_in(4)) return;
    old_news_.push_back(event);
    if (old_news_.size() > remembered_news) old_news_.pop_front();
}

// Whether nothing is left of the run once the end of process `step` (0: the found main) is told.
bool World::last_of(RunId id, std::uint32_t step) {
    const Run* run = find(id);
    if (!run || run->anything_alive()) return false;
    const bool others = std::ranges::any_of(run->processes, [&](const Run::Process& process) {
        return process.ref.step != step && !process.told_ended;
    });
    return !others && (step == 0 || std::ranges::none_of(run->forks, &Run::Fork::end_untold));
}

void World::tell(Run& run, Event event) {
    run.last_news = std::max(run.last_news, now + soon());
    push(run.last_news, std::move(event));
}

void World::tell(Event event) {
    push(now + soon(), std::move(event));
}

// In order: a refusal for a device that is gone comes before the news that it is back.
void World::tell_of_devices(Event event) {
    last_device_news_ = std::max(last_device_news_, now + soon());
    push(last_device_news_, std::move(event));
}

void World::later(Duration delay, Act step) {
    push(now + delay, step);
}

void World::push(TimePoint at, std::variant<Act, Event> what) {
    const auto* step = std::get_if<Act>(&what);
    if (!step || step->what != Act::What::ping) ++pending_;
    due_.push_back({at, number_++, std::move(what)});
    std::push_heap(due_.begin(), due_.end());
}

Duration World::soon() {
    if (random_.one_in(2)) return Duration{0};
    return random_.one_in(30) ? random_.between(1ms, 200ms) : random_.between(1us, 500us);
}

// ── trouble ────────────────────────────────────────────────────────────────────────────────────

std::optional<Event> World::disturb() {
    switch (random_.below(8)) {
        case 0:
        case 1: return kill_somebody();
        case 2:
        case 3: return old_news();
        case 4: return notify_something();
        case 5: change_path(); return std::nullopt;
        case 6:
            if (random_.one_in(4)) change_devices();
            return std::nullopt;
        default:
            if (!current_.empty() && random_.one_in(3)) {
                const auto unit =
                    std::next(current_.begin(), random_.below(current_.size()))->first;
                return Hindered{
                    unit, hindered_.contains(unit) || random_.one_in(2) ? "" : "user x unknown"};
            }
            return std::nullopt;
    }
}

std::optional<Event> World::kill_somebody() {
    if (runs_.empty()) return std::nullopt;
    auto& run = std::next(runs_.begin(), random_.below(runs_.size()))->second;
    if (!run.forks.empty() && random_.one_in(3)) {
        later(Duration{0},
              {Act::What::fork_ends, run.id, random_.below(run.forks.size()), some_end()});
    } else if (!run.processes.empty()) {
        later(Duration{0},
              {Act::What::exits, run.id, random_.below(run.processes.size()), some_end()});
    }
    return std::nullopt;
}

// News of a run that is over, or of a process that had its end told: late, and a second time.
std::optional<Event> World::old_news() {
    if (old_news_.empty()) return std::nullopt;
    const Event event = old_news_[random_.below(old_news_.size())];
    const auto over = [&](RunId id) { return !runs_.contains(id); };
    const auto told = [&](const ProcessRef& ref) {
        if (over(ref.run)) return true;
        const auto& processes = runs_[ref.run].processes;
        return std::ranges::any_of(processes, [&](const Run::Process& process) {
            return process.ref == ref && process.told_ended;
        });
    };
    const bool harmless = std::visit(
        [&](const auto& e) {
            if constexpr (requires { e.process; }) {
                return told(e.process);
            } else if constexpr (requires { e.run; }) {
                return over(e.run);
            } else {
                return false;
            }
        },
        event);
    if (!harmless) return std::nullopt;
    return event;
}

std::optional<Event> World::notify_something() {
    if (runs_.empty()) return std::nullopt;
    auto& run = std::next(runs_.begin(), random_.below(runs_.size()))->second;
    if (!run.definition->service || run.definition->service->type != Type::notify) {
        return std::nullopt;
    }
    for (std::uint32_t i = 0; i < run.processes.size(); ++i) {
        const auto& process = run.processes[i];
        if (process.phase != Phase::main || process.life != Run::Process::Life::alive ||
            !process.told_started) {
            continue;
        }
        Notified news{.unit = run.unit, .run = run.id};
        switch (random_.below(6)) {
            case 0: news.ready = true; break;
            case 1: news.extend = random_.between(1ms, 10s); break;
            case 2: news.watchdog = true; break;
            case 3:
                news.stopping = true;
                later(random_.between(1ms, 2s), {Act::What::exits, run.id, i, {}});
                break;
            case 4:
                if (random_.one_in(4)) news.watchdog_trigger = true;
                break;
            default:
                if (!run.ready) return std::nullopt;
                news.reloading = true;
                later(random_.between(100us, 500ms), {Act::What::reloaded, run.id, i, {}});
                break;
        }
        tell(run, news);
    }
    return std::nullopt;
}

void World::change_path() {
    const auto path = std::next(paths_.begin(), random_.below(paths_.size()));
    path->second = !path->second;
    if (watchers_[path->first] > 0) tell(PathChanged{path->first, path->second});
}

void World::change_devices() {
    const std::string device = "d" + std::to_string(random_.below(5));
    if (devices_.contains(device) && random_.one_in(2)) {
        devices_.erase(device);
    } else {
        devices_[device] = 1 + random_.below(3);
    }
    note(leases_.set_devices(devices_));
    for (const auto& [name, capacity] : devices_) tell_of_devices(DeviceChanged{name, true});
    if (!devices_.contains(device)) tell_of_devices(DeviceChanged{device, false});
}

void World::calm_down() {
    calm_ = true;
    for (const auto unit : hindered_) tell(Hindered{unit, ""});
    for (auto& [id, run] : runs_) {
        if (run.find_asked && !run.main_known) later(1ms, {Act::What::find, id, 0, {}});
        for (std::uint32_t i = 0; i < run.processes.size(); ++i) {
            const auto& process = run.processes[i];
            if (process.life != Run::Process::Life::alive || !process.stuck) continue;
            const bool becomes_ready =
                process.phase == Phase::main && run.definition->service->type == Type::notify;
            later(random_.between(1ms, 100ms),
                  {becomes_ready ? Act::What::ready : Act::What::exits, id, i, {}});
        }
    }
}

// ── small things ───────────────────────────────────────────────────────────────────────────────

const Run* World::run_of(UnitId unit) const {
    const auto current = current_.find(unit);
    if (current == current_.end()) return nullptr;
    const auto run = runs_.find(current->second);
    return run == runs_.end() || run->second.over ? nullptr : &run->second;
}

bool World::left_over(UnitId unit) const {
    const auto current = current_.find(unit);
    if (current == current_.end()) return false;
    const auto run = runs_.find(current->second);
    return run != runs_.end() && run->second.over;
}

Run* World::find(RunId run) {
    const auto it = runs_.find(run);
    return it == runs_.end() ? nullptr : &it->second;
}

Run& World::live(UnitId unit, RunId id, const char* what) {
    Run* run = find(id);
    if (!run) throw Violation{unit, std::string{"told to "} + what + " a run that is over"};
    if (run->unit != unit) throw Violation{unit, "a run of another unit"};
    return *run;
}

std::optional<bool> World::told_path(const std::string& path) const {
    const auto it = told_paths_.find(path);
    return it == told_paths_.end() ? std::nullopt : it->second;
}

bool World::told_device(const std::string& device) const {
    const auto it = told_devices_.find(device);
    return it != told_devices_.end() && it->second;
}

const std::vector<std::string>* World::tested(UnitId unit) const {
    const auto it = tested_.find(unit);
    return it == tested_.end() ? nullptr : &it->second;
}

}  // namespace reeve::sim
