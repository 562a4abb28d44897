// The part of Runs for a manager that finds processes of which it knows nothing: what was known
// of them is lost, but for their slots and their cgroups.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "daemon/core/engine.hpp"
#include "daemon/os/left_pipes.hpp"
#include "daemon/os/process_stat.hpp"
#include "daemon/os/process_tree.hpp"
#include "daemon/runs.hpp"
#include "hal/posix/log.hpp"

namespace reeve {

namespace {

core::RunId run_marked(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
        const std::string mark = os::run_mark(pid);
        std::uint64_t run = 0;
        const auto [end, error] = std::from_chars(mark.data(), mark.data() + mark.size(), run);
        if (error == std::errc{} && end == mark.data() + mark.size()) return core::RunId{run};
    }
    return {};
}

pid_t eldest_of(const std::vector<pid_t>& pids) {
    pid_t eldest = 0;
    std::uint64_t since = 0;
    for (const pid_t pid : pids) {
        const auto stat = os::read_process_stat(pid);
        if (!stat || stat->ended()) continue;
        if (eldest != 0 && std::pair{stat->start_time, pid} > std::pair{since, eldest}) continue;
        eldest = pid;
        since = stat->start_time;
    }
    return eldest;
}

// The main process of a simple start has the step after all of start-pre.
std::uint32_t main_step(const units::UnitFile& unit) {
    const auto before =
        std::ranges::count(unit.service->commands, units::Phase::start_pre, &units::Command::phase);
    return static_cast<std::uint32_t>(before) + 1;
}

std::string path_of_socket(int socket) {
    sockaddr_un where{};
    socklen_t length = sizeof where;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&where), &length) == -1 ||
        length <= offsetof(sockaddr_un, sun_path))
        return {};
    return {where.sun_path, ::strnlen(where.sun_path, sizeof where.sun_path)};
}

}  // namespace

std::set<std::string> Runs::names_left() {
    containment_.look_below(::getppid());
    return containment_.living_names();
}

std::vector<core::Found::Running> Runs::look_for(const core::Engine& engine, Kept kept) {
    os::UnitNames all;
    for (const core::UnitId unit : engine.all()) {
        const auto definition = engine.current_definition(unit);
        if (definition && definition->service) all.emplace_back(unit, engine.name(unit));
    }
    std::vector<core::Found::Running> running;
    std::set<core::RunId> known;
    left_kept_ = std::move(kept);
    if (estate_.custodian != nullptr) estate_.custodian->note_kept();
    for (os::Living& living : containment_.living(all)) {
        Left left = look_at(*engine.current_definition(living.unit), std::move(living.pids));
        if (left.main == 0) continue;
        if (living.run != core::RunId{}) left.run = living.run;  // the folder has its number
        if (!known.insert(left.run).second) left.run = {};
        running.push_back({living.unit, left.run});
        left_[living.unit] = std::move(left);
    }
    if (estate_.slots != nullptr)  // each gets another, of the run as it is counted from now on
        estate_.slots->for_each_used([this](state::Slot& slot) { estate_.slots->give_back(slot); });
    return running;
}

// The main process: one that was started as such, or the eldest.
Runs::Left Runs::look_at(const units::UnitFile& unit, std::vector<pid_t> pids) {
    Left left{eldest_of(pids), {}, std::move(pids)};
    int best = 0;
    const auto look = [&](state::Slot& slot) {
        const pid_t pid = os::pid_in(slot);
        if (pid == 0 || os::exit_in(slot) != 0) return;
        if (std::ranges::find(left.pids, pid) == left.pids.end()) return;
        const auto stat = os::read_process_stat(pid);
        if (!stat || (slot.start_time != 0 && slot.start_time != stat->start_time)) return;
        const int rank = slot.use == state::Use::main ? 3 : slot.step == main_step(unit) ? 2 : 1;
        if (rank <= best) return;
        best = rank;
        left.main = pid;
        left.run = core::RunId{slot.run};
    };
    if (estate_.slots != nullptr) estate_.slots->for_each_used(look);
    if (best == 0) left.run = run_marked(left.pids);
    return left;
}

void Runs::take_up(const core::BeginRun& action, units::UnitPtr definition) {
    const core::UnitId unit = action.unit;
    const auto found = left_.find(unit);
    if (found == left_.end()) return;
    const Left left = std::move(found->second);
    left_.erase(found);
    Live& live = live_[unit] = Live{};
    live.run = action.run;
    live.definition = std::move(definition);
    live.main = {unit, action.run, 1};
    live.cgroup = containment_.adopt(unit, live.definition->name, live.run, mark_left(left));
    if (uses_notify(*live.definition->service)) take_up_notify(unit, live);
    take_up_pipes(unit, live, left);
    prepare(unit, live);
    for (const pid_t pid : left.pids) containment_.joined(unit, live.run, pid);
    if (children_.adopt(live.main, left.main)) {
        log::info("unit {}: found running, process {}", live.definition->name, left.main);
        return;
    }
    core::ExitStatus unknown;
    unknown.unknown = true;
    tell_.event(core::Exited{live.main, unknown, false, is_empty(unit, live.run)});
    after_end(unit, live.run);
}

// What its processes carry, whatever the run is called now.
std::string Runs::mark_left(const Left& left) {
    for (const pid_t pid : left.pids)
        if (std::string mark = os::run_mark(pid); !mark.empty()) return mark;
    return mark_of(left.run);
}

void Runs::take_up_notify(core::UnitId unit, Live& live) {
    const std::string path = places_.runtime_dir + "/notify/" + live.definition->name;
    posix::Fd there;
    for (auto& [key, fd] : left_kept_) {
        if (init::kind_of(key) != init::Kind::notify_socket || !fd) continue;
        if (path_of_socket(fd.get()) != path) continue;
        keep(unit, live.run, init::Kind::notify_socket, fd.get());
        there = std::move(fd);
    }
    open_notify(unit, live, std::move(there));
}

// Of those that its processes print into the read ends are with the keeper, or are opened anew;
// nobody is to wait for, or die of, a pipe that nobody reads.
void Runs::take_up_pipes(core::UnitId unit, Live& live, const Left& left) {
    const auto& log = *live.definition->log;
    const std::string& name = live.definition->name;
    std::set<ino_t> used;
    for (const pid_t pid : left.pids)
        for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) used.insert(os::pipe_of(pid, fd));
    used.erase(0);
    bool has[2] = {false, false};
    const auto adopt = [&](bool is_err, posix::Fd pipe) {
        const auto kind = is_err ? init::Kind::err_pipe : init::Kind::out_pipe;
        const bool first = !std::exchange(has[is_err], true);
        const core::RunId run = first ? live.run : core::RunId{};
        keep(unit, run, kind, pipe.get());
        logs_.adopt_pipe(unit, name, log, run, is_err ? os::LogStream::err : os::LogStream::out,
                         std::move(pipe));
    };
    for (auto& [key, fd] : left_kept_) {
        const auto kind = init::kind_of(key);
        if (kind != init::Kind::out_pipe && kind != init::Kind::err_pipe) continue;
        if (fd && used.erase(os::pipe_of(fd.get())) != 0)
            adopt(kind == init::Kind::err_pipe, std::move(fd));
    }
    if (log.file || log.memory) {
        const ino_t out = os::pipe_of(left.main, STDOUT_FILENO);
        for (const bool is_err : {false, true}) {
            const int number = is_err ? STDERR_FILENO : STDOUT_FILENO;
            const ino_t pipe = os::pipe_of(left.main, number);
            if (has[is_err] || !used.contains(pipe) || (is_err && pipe == out)) continue;
            if (posix::Fd opened = os::reopen_pipe(left.main, number, left.pids))
                adopt(is_err, std::move(opened));
        }
    }
    logs_.adopt_run(unit, name, live.run, log);
}

void Runs::leave_the_rest(const core::Engine& engine) {
    os::UnitNames all;
    for (const core::UnitId unit : engine.all()) all.emplace_back(unit, engine.name(unit));
    containment_.adopt_rest(all);
    left_.clear();
    std::vector<std::uint64_t> old;
    for (const auto& [key, fd] : left_kept_)
        if (init::kind_of(key) != init::Kind::bus_socket) old.push_back(key);
    left_kept_.clear();
    if (estate_.custodian != nullptr) estate_.custodian->drop_the_rest(old);
}

}  // namespace reeve
