#include "daemon/runs.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "daemon/directories.hpp"
#include "daemon/environment_file.hpp"
#include "daemon/os/fd_window.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve {

std::uint64_t key_of(core::UnitId unit, core::RunId run, init::Kind kind) {
    return init::key(static_cast<std::uint32_t>(unit), static_cast<std::uint64_t>(run), kind);
}

namespace {

// Starts that are made ready before a thread is there for them; a plan takes more than a kilobyte.
constexpr std::size_t most_waiting = 32;

// The folders of a unit are made and removed in turn, also across its runs.
os::Worker::Chain folders_of(core::UnitId unit) {
    return os::Worker::Chain{static_cast<std::uint64_t>(os::Worker::Chain::first_unit) +
                             static_cast<std::uint32_t>(unit)};
}

std::string hex16(std::uint64_t value) {
    return fmt::format("{:016x}", value);
}

std::string random_hex16() {
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value) value = 1;
    return hex16(value);
}

// The command `index` among those of `phase`; nullptr: the definition has no such command.
const units::Command* command_of(const units::UnitFile& unit, units::Phase phase,
                                 std::uint32_t index) {
    for (const auto& command : unit.service->commands)
        if (command.phase == phase && index-- == 0) return &command;
    return nullptr;
}

bool is_own_account(const units::Surroundings& around) {
    if (around.user.empty() && around.group.empty()) return true;
    return around.user == std::to_string(::geteuid()) &&
           (around.group.empty() || around.group == std::to_string(::getegid()));
}

}  // namespace

Runs::Runs(os::Loop& loop, os::Logs& logs, os::Accounts& accounts, os::Worker& worker,
           Places places, Estate estate, Tell tell)
    : loop_{loop},
      logs_{logs},
      accounts_{accounts},
      worker_{worker},
      places_{std::move(places)},
      estate_{estate},
      tell_{std::move(tell)},
      invocation_prefix_{random_hex16()},
      containment_{loop, places_.instance,
                   [this](core::UnitId unit, core::RunId run) {
                       tell_.event(core::Emptied{unit, run});
                       if (!find(unit, run)) tell_.facts_changed(unit);
                   }},
      children_{loop, [this](const os::ChildNews& news) { on_news(news); }, estate.slots},
      main_finder_{loop,
                   [this](core::UnitId unit, core::RunId run, pid_t pid, std::string_view why) {
                       Live* live = find(unit, run);
                       if (!live) return;
                       if (pid != 0 && !children_.watch_main(unit, run, pid))
                           return main_finder_.look_again(unit);
                       live->finding_main = false;
                       if (pid == 0)
                           return tell_.event(core::MainMissing{unit, run, std::string{why}});
                       live->main_found = true;
                       tell_.event(core::MainFound{unit, run});
                       tell_.facts_changed(unit);
                   }} {}

Runs::~Runs() = default;

void Runs::no_hindrance(Live& live) {
    if (!live.seldom->hindrance.empty()) live.seldom.edit().hindrance.clear();
}

std::optional<Runs::HeldSpawn> Runs::take_held(Live& live, core::ProcessRef process) {
    if (live.seldom->held.empty()) return std::nullopt;  // nearly always
    auto& held = live.seldom.edit().held;
    const auto found =
        std::ranges::find(held, process, [](const HeldSpawn& each) { return each.action.process; });
    if (found == held.end()) return std::nullopt;
    HeldSpawn taken = *found;
    held.erase(found);
    if (live.seldom->empty()) live.seldom = {};
    return taken;
}

std::vector<Runs::HeldSpawn> Runs::take_held(Live& live) {
    if (live.seldom->held.empty()) return {};
    return std::exchange(live.seldom.edit().held, {});
}

bool Runs::uses_notify(const units::Service& service) {
    return service.type == units::Type::notify || service.watchdog > units::Duration::zero() ||
           service.notify_access == units::NotifyAccess::exec ||
           service.notify_access == units::NotifyAccess::all;
}

// REEVE_RUN in the environment of its processes.
std::string Runs::mark_of(core::RunId run) {
    return std::to_string(static_cast<std::uint64_t>(run));
}

void Runs::keep(core::UnitId unit, core::RunId run, init::Kind kind, int fd) {
    if (estate_.custodian != nullptr) estate_.custodian->keep(key_of(unit, run, kind), fd);
}

void Runs::drop(core::UnitId unit, core::RunId run, init::Kind kind) {
    if (estate_.custodian != nullptr) estate_.custodian->drop(key_of(unit, run, kind));
}

Runs::Live* Runs::find(core::UnitId unit, core::RunId run) {
    const auto it = live_.find(unit);
    return it != live_.end() && it->second.run == run ? &it->second : nullptr;
}

// ── a run begins and ends ──────────────────────────────────────────────────────────────────────

void Runs::begin(const core::BeginRun& action, units::UnitPtr definition) {
    Live& live = live_[action.unit];
    live = Live{};
    live.run = action.run;
    live.definition = std::move(definition);
    live.refused = !os::has_descriptors_to_spare();
    if (live.refused) {
        if (!std::exchange(told_short_of_descriptors_, true))
            log::error(
                "hardly a descriptor is left: no unit starts until some have ended; raise "
                "the limit of open files of reeved");
        return;
    }
    try {
        equip(action.unit, live);
    } catch (const std::system_error& e) {
        live.refused = true;
        live.seldom.edit().refusal = e.what();
        return;
    }
    prepare(action.unit, live);
}

void Runs::equip(core::UnitId unit, Live& live) {
    const units::UnitFile& definition = *live.definition;
    live.cgroup = containment_.enter(unit, definition.name, live.run, mark_of(live.run));
    logs_.begin_run(unit, definition.name, live.run, *definition.log);
    if (uses_notify(*definition.service)) open_notify(unit, live);
    if (definition.service->ready_fd >= 0) open_ready_pipe(unit, live);
}

// Account, folders and files come first; spawns wait for them. Usually there is nothing to do.
void Runs::prepare(core::UnitId unit, Live& live) {
    const auto& around = *live.definition->service->surroundings;
    std::string why;
    const bool own = is_own_account(around);
    const os::Account* account = own ? nullptr : accounts_.find(around.user, around.group, why);
    if (!own && !account) {
        live.seldom.edit().hindrance = why;
        return;  // accounts_changed() comes back here, or the start times out with this reason
    }
    no_hindrance(live);
    const bool folders = !around.runtime_directory.empty() || !around.state_directory.empty();
    if (!folders && around.environment_files.empty()) {
        live.prepared = true;
        return;
    }
    if (live.preparing) return;
    live.preparing = true;
    struct Outcome {
        std::string error;
        Environment variables;
    };
    auto outcome = std::make_shared<Outcome>();
    const uid_t uid = account ? account->identity.uid : static_cast<uid_t>(-1);
    const gid_t gid = account ? account->identity.gid : static_cast<gid_t>(-1);
    worker_.submit(
        [outcome, uid, gid, definition = live.definition, places = places_] {
            const auto& s = *definition->service->surroundings;
            outcome->error = make_directories(places.runtime_base, s.runtime_directory, uid, gid);
            if (outcome->error.empty())
                outcome->error = make_directories(places.state_base, s.state_directory, uid, gid);
            for (const auto& file : s.environment_files) {
                std::string problem = read_environment_file(file, outcome->variables);
                if (outcome->error.empty()) outcome->error = std::move(problem);
            }
        },
        [this, outcome, unit, run = live.run] {
            prepared(unit, run, std::move(outcome->error), std::move(outcome->variables));
        },
        folders_of(unit));
}

void Runs::prepared(core::UnitId unit, core::RunId run, std::string error, Environment variables) {
    Live* live = find(unit, run);
    if (!live) return;
    live->prepared = true;
    live->preparing = false;
    if (!variables.empty()) live->seldom.edit().file_variables = std::move(variables);
    const auto held = take_held(*live);
    for (const auto& each : held) {
        if (!error.empty()) {
            log::warn("unit {}: {}", live->definition->name, error);
            refuse(each.action, error.c_str(), 0);
        } else {
            start_in_turn(*live, each);
        }
    }
}

void Runs::accounts_changed() {
    for (auto& [unit, live] : live_) {
        if (live.prepared || live.preparing) continue;
        prepare(unit, live);
        if (live.prepared) prepared(unit, live.run, {}, {});
    }
}

void Runs::end(const core::EndRun& action) {
    const auto it = live_.find(action.unit);
    if (it == live_.end() || it->second.run != action.run) return;
    Live& live = it->second;
    main_finder_.cancel(action.unit);
    if (live.main_found) children_.forget_main(action.unit, action.run);
    if (live.ready_read) {
        loop_.unwatch(live.ready_read.get());
        drop(action.unit, action.run, init::Kind::ready_pipe);
    }
    if (live.notify) drop(action.unit, action.run, init::Kind::notify_socket);
    using units::KillMode;
    const KillMode mode = live.definition->service->kill_mode;
    if (mode == KillMode::process || mode == KillMode::none)
        containment_.leave_behind(action.unit);
    else
        containment_.leave(action.unit);
    logs_.end_run(action.unit);
    remove_folders(action.unit, *live.definition);
    live_.erase(it);
    tell_.facts_changed(action.unit);
}

void Runs::remove_folders(core::UnitId unit, const units::UnitFile& definition) {
    const auto& names = definition.service->surroundings->runtime_directory;
    if (names.empty()) return;
    ++removals_;
    worker_.submit([names, base = places_.runtime_base] { remove_directories(base, names); },
                   [this] { --removals_; }, folders_of(unit));
}

void Runs::forget(core::UnitId unit) {
    logs_.forget(unit);
}

// ── processes ──────────────────────────────────────────────────────────────────────────────────

core::ProcessRef& Runs::role_of(Live& live, const core::Spawn& action) {
    return action.phase == units::Phase::main ? live.main : live.control;
}

void Runs::spawn(const core::Spawn& action, core::Result result) {
    Live* live = find(action.process.unit, action.process.run);
    if (!live) return refuse(action, "run", ESTALE);
    if (live->refused) {
        const std::string& why = live->seldom->refusal;
        return why.empty() ? refuse(action, "descriptors", EMFILE) : refuse(action, why.c_str(), 0);
    }
    role_of(*live, action) = action.process;
    if (live->prepared) return start_in_turn(*live, {action, result});
    live->seldom.edit().held.push_back({action, result});
}

void Runs::start_in_turn(Live& live, const HeldSpawn& spawn) {
    const auto process = spawn.action.process;
    if (line_.empty() && may_start()) return start(process.unit, live, spawn);
    live.seldom.edit().held.push_back(spawn);
    line_.push_back(process);
}

// What a process uses is with the keeper before it is cloned.
bool Runs::may_start() const {
    const bool keeper_waits = estate_.custodian != nullptr && estate_.custodian->busy();
    return !keeper_waits && children_.stats().waiting < most_waiting;
}

void Runs::start_next() {
    while (!line_.empty() && may_start()) {
        const core::ProcessRef process = line_.front();
        line_.pop_front();
        Live* live = find(process.unit, process.run);
        if (!live) continue;
        if (const auto spawn = take_held(*live, process)) start(process.unit, *live, *spawn);
    }
}

void Runs::refuse(const core::Spawn& action, const char* stage, int error) {
    tell_.event(core::SpawnFailed{action.process, stage, error,
                                  is_empty(action.process.unit, action.process.run)});
    after_end(action.process.unit, action.process.run);
}

void Runs::start(core::UnitId unit, Live& live, const HeldSpawn& held) {
    const auto& definition = *live.definition;
    const units::Command* command = command_of(definition, held.action.phase, held.action.index);
    if (!command) return refuse(held.action, "command", EINVAL);
    const auto& around = *definition.service->surroundings;

    RunFacts facts{definition.name,
                   live.run,
                   invocation_prefix_ + hex16(static_cast<std::uint64_t>(live.run)),
                   live.notify ? live.notify->path() : std::string{},
                   places_.runtime_base,
                   places_.state_base,
                   live.seldom->file_variables,
                   nullptr};
    std::string why;
    if (!is_own_account(around)) facts.account = accounts_.find(around.user, around.group, why);
    Environment environment = make_environment(definition, places_.environment, facts);
    if (held.action.phase != units::Phase::main)
        add_main_process(environment, main_pid(unit, live));
    if (held.action.phase == units::Phase::stop || held.action.phase == units::Phase::stop_post)
        add_exit(environment, main_pid(unit, live) > 0 ? std::nullopt : live.last_exit,
                 held.result);

    // What the run had was killed, perhaps: then it has another folder for what follows.
    if (held.action.phase != units::Phase::main && live.cgroup >= 0) {
        live.cgroup = containment_.enter(unit, definition.name, live.run, mark_of(live.run));
    }

    std::vector<std::string> unset;
    os::SpawnPlan plan = make_plan(definition, *command, environment, unset);
    for (const auto& name : unset)
        log::info("unit {}: ${} is not set in {}; taken as empty", definition.name, name,
                  to_string(held.action.phase));
    if (plan.argv.empty() || plan.argv[0].empty()) return refuse(held.action, "command", EINVAL);
    if (facts.account && !command->as_root) plan.identity = facts.account->identity;
    try {
        const auto pipes = logs_.pipes(unit);
        plan.out = pipes.out;
        plan.err = pipes.err;
    } catch (const std::system_error& e) {
        return refuse(held.action, e.what(), 0);
    }
    plan.cgroup = live.cgroup;
    plan.join_by_hand = containment_.join_by_hand();
    if (held.action.phase == units::Phase::main && live.ready_write) {
        plan.extra = live.ready_write.get();
        plan.extra_as = definition.service->ready_fd;
    }
    under_way_[held.action.process] = held;
    children_.start(held.action.process, std::move(plan));
}

// A process that still waits for its account, folders or turn is not started at all. One whose
// spawn is under way is not reached; the core asks again when it hears of it.
void Runs::signal_process(Live& live, core::ProcessRef process, int signal) {
    if (os::ends_processes(signal)) {
        if (const auto held = take_held(live, process))
            return refuse(held->action, "cancelled", ECANCELED);
    }
    children_.signal(process, signal);
}

void Runs::signal(const core::SendSignal& action) {
    Live* live = find(action.unit, action.run);
    if (!live) return;
    using Whom = core::SendSignal::Whom;
    switch (action.whom) {
        case Whom::main:
            if (live->main_found) {
                children_.signal_main(action.unit, action.run, action.signal);
            } else {
                signal_process(*live, live->main, action.signal);
            }
            break;
        case Whom::control: signal_process(*live, live->control, action.signal); break;
        case Whom::all:
            if (os::ends_processes(action.signal)) {
                for (const auto& each : take_held(*live))
                    refuse(each.action, "cancelled", ECANCELED);
            }
            containment_.signal_all(action.unit, action.run, action.signal);
            break;
    }
    // A stopped process hears nothing else before it goes on.
    if (os::ends_processes(action.signal) && action.signal != SIGKILL)
        signal({action.unit, action.run, action.whom, SIGCONT});
}

void Runs::kill_all(const core::KillAll& action) {
    Live* live = find(action.unit, action.run);
    if (!live) return;
    if (action.main_only)
        return signal({action.unit, action.run, core::SendSignal::Whom::main, SIGKILL});
    const auto held = take_held(*live);  // never started: nothing to kill
    containment_.kill_all(action.unit, action.run);
    for (const auto& each : held) refuse(each.action, "cancelled", ECANCELED);
}

bool Runs::signal_everything(int signal) {
    for (auto& [unit, live] : live_) take_held(live);
    line_.clear();
    if (containment_.is_all_empty()) return false;
    if (signal != 0) containment_.signal_everything(signal);
    return true;
}

void Runs::find_main(const core::FindMain& action) {
    Live* live = find(action.unit, action.run);
    if (!live) return;
    live->finding_main = true;
    const core::UnitId unit = action.unit;
    const core::RunId run = action.run;
    main_finder_.begin(
        {unit, run, live->definition->service->pid_file,
         [this, unit, run] { return containment_.members(unit, run); },
         [this, unit, run](pid_t pid) { return containment_.contains(unit, run, pid); }});
}

pid_t Runs::main_pid(core::UnitId unit, const Live& live) const {
    return live.main_found ? children_.main_of(unit, live.run) : children_.pid_of(live.main);
}

bus::UnitFacts Runs::facts(core::UnitId unit) const {
    const auto it = live_.find(unit);
    if (it == live_.end()) return {};
    const Live& live = it->second;
    bus::UnitFacts out;
    out.main_pid = main_pid(unit, live);
    out.status = live.seldom->status;
    out.hindrance = live.seldom->hindrance;
    return out;
}

std::vector<pid_t> Runs::pids(core::UnitId unit) const {
    const auto it = live_.find(unit);
    return it == live_.end() ? containment_.left_behind(unit)
                             : containment_.members(unit, it->second.run);
}

}  // namespace reeve
