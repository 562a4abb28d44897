// The processes of all runs: carries out what the core asks of them, and tells what became of it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/bus/backend.hpp"
#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"
#include "daemon/os/accounts.hpp"
#include "daemon/os/children.hpp"
#include "daemon/os/containment.hpp"
#include "daemon/os/custodian.hpp"
#include "daemon/os/logs.hpp"
#include "daemon/os/main_finder.hpp"
#include "daemon/os/notify_socket.hpp"
#include "daemon/os/worker.hpp"
#include "daemon/process_plan.hpp"

namespace reeve {

// Under what the keeper keeps a descriptor.
std::uint64_t key_of(core::UnitId unit, core::RunId run, init::Kind kind);

class Runs {
public:
    struct Places {
        std::string instance;      // names our cgroup folder
        std::string runtime_dir;   // notify sockets below it
        std::string runtime_base;  // of runtime-directory
        std::string state_base;    // of state-directory
        Environment environment;   // [environment] of reeved.toml
    };
    struct Tell {
        std::function<void(core::Event)> event;  // records and queues: handled after this call
        std::function<void(core::UnitId)> facts_changed;
        // STATUS= of a service: to be remembered by whoever takes over.
        std::function<void(core::UnitId, core::RunId, const std::string&)> status;
    };
    // What outlives the manager; both null without a keeper.
    struct Estate {
        os::Custodian* custodian = nullptr;
        os::Slots* slots = nullptr;
    };
    Runs(os::Loop& loop, os::Logs& logs, os::Accounts& accounts, os::Worker& worker, Places places,
         Estate estate, Tell tell);
    ~Runs();
    Runs(const Runs&) = delete;
    Runs& operator=(const Runs&) = delete;

    void begin(const core::BeginRun& action, units::UnitPtr definition);
    // `result` is that of the run so far, for the environment of stop-post.
    void spawn(const core::Spawn& action, core::Result result);
    void signal(const core::SendSignal& action);
    void kill_all(const core::KillAll& action);
    void find_main(const core::FindMain& action);
    void end(const core::EndRun& action);
    void forget(core::UnitId unit);  // its id is dead
    void accounts_changed();         // runs that wait for one look again
    void start_next();               // those held look whether they may begin
    void exits_stored();             // by the keeper, which has reaped
    void keeper_has_gone();
    // The last step of a shutdown begins: what lives and is of no unit counts as left behind.
    void hold_the_rest() { containment_.hold_the_rest(); }
    // The last step of a shutdown, to whatever still lives. False: nothing does.
    bool signal_everything(int signal);
    // No runtime-directory is still to be removed.
    [[nodiscard]] bool is_tidy() const { return removals_ == 0; }

    // ── of a manager that takes over: runs_taken_over.cpp ──
    // What the dead manager's engine asked for and heard, without doing any of it.
    void remember(const core::BeginRun& action, units::UnitPtr definition);
    void remember(const core::Spawn& action, core::Result result);
    void remember(const core::FindMain& action);
    void remember(const core::EndRun& action);
    void remember(const core::Event& event);
    void remember_status(core::UnitId unit, core::RunId run, std::string text);
    [[nodiscard]] std::string save() const;
    // The runs have their definitions from `engine`. Throws std::invalid_argument.
    void load(std::string_view saved, const core::Engine& engine);
    // Takes over what is there: processes by their slots, `kept` by the keeper: pipes, rings,
    // sockets. What had been asked for and was never begun begins now.
    using Kept = std::map<std::uint64_t, posix::Fd>;
    void resume(const core::Engine& engine, Kept kept);

    // ── of a manager that knows nothing of what runs: runs_found.cpp ──
    // The units that have processes, by their cgroups and the slots. Then take_up() of each, then
    // the rest is left where it is, and what of `kept` belongs to nobody is dropped.
    // Before, so that templates' instances are known: the names of all that has processes.
    [[nodiscard]] std::set<std::string> names_left();
    std::vector<core::Found::Running> look_for(const core::Engine& engine, Kept kept);
    void take_up(const core::BeginRun& action, units::UnitPtr definition);
    void leave_the_rest(const core::Engine& engine);

    [[nodiscard]] bus::UnitFacts facts(core::UnitId unit) const;
    [[nodiscard]] std::vector<pid_t> pids(core::UnitId unit) const;
    [[nodiscard]] std::size_t count() const { return live_.size(); }
    [[nodiscard]] const os::Children& children() const { return children_; }
    [[nodiscard]] const os::Containment& containment() const { return containment_; }

private:
    struct HeldSpawn {
        core::Spawn action;
        core::Result result{};
    };
    // What most runs never have.
    struct Seldom {
        std::string status;
        std::string hindrance;
        std::string refusal;  // why `refused`; empty: there are too few descriptors
        Environment file_variables;
        std::vector<HeldSpawn> held;

        [[nodiscard]] bool empty() const {
            return status.empty() && hindrance.empty() && refusal.empty() &&
                   file_variables.empty() && held.empty();
        }
    };
    struct Live {
        core::RunId run{};
        units::UnitPtr definition;
        int cgroup = -1;
        std::unique_ptr<os::NotifySocket> notify;
        posix::Fd ready_read;
        posix::Fd ready_write;
        units::Rare<Seldom> seldom;
        core::ProcessRef main;
        core::ProcessRef control;
        std::optional<core::ExitStatus> last_exit;  // of the main process
        bool main_found = false;                    // beside `main`: forking, MAINPID
        bool prepared = false;                      // account known, folders made, files read
        bool preparing = false;
        bool refused = false;       // what it needs cannot be had
        bool finding_main = false;  // FindMain was asked for, and has not been answered
    };

    // What was found of a unit.
    struct Left {
        pid_t main = 0;
        core::RunId run{};
        std::vector<pid_t> pids;
    };

    static std::string mark_of(core::RunId run);
    static std::string mark_left(const Left& left);
    Left look_at(const units::UnitFile& unit, std::vector<pid_t> pids);
    void take_up_notify(core::UnitId unit, Live& live);
    void take_up_pipes(core::UnitId unit, Live& live, const Left& left);
    static bool uses_notify(const units::Service& service);
    static void no_hindrance(Live& live);
    static core::ProcessRef& role_of(Live& live, const core::Spawn& action);
    void forget_held(core::ProcessRef process);
    void adopt_logs(const core::Engine& engine, Kept& kept);
    void adopt_run(core::UnitId unit, Live& live, Kept& kept);
    std::set<core::UnitId> adopt_processes();
    bool adopt_process(Live& live, state::Slot& slot);
    void keep_hold(const Live& live, state::Slot& slot, os::TakenOver::Found found);
    void give_ready_end(core::UnitId unit, Live& live);
    void go_on(core::UnitId unit, Live& live, bool has_process);
    static std::vector<HeldSpawn> take_held(Live& live);
    static std::optional<HeldSpawn> take_held(Live& live, core::ProcessRef process);
    Live* find(core::UnitId unit, core::RunId run);
    void remove_folders(core::UnitId unit, const units::UnitFile& definition);
    void equip(core::UnitId unit, Live& live);  // throws std::system_error
    void prepare(core::UnitId unit, Live& live);
    void prepared(core::UnitId unit, core::RunId run, std::string error, Environment variables);
    // Now, or when those before it have been handed to a thread.
    void start_in_turn(Live& live, const HeldSpawn& spawn);
    [[nodiscard]] bool may_start() const;
    void start(core::UnitId unit, Live& live, const HeldSpawn& held);
    void refuse(const core::Spawn& action, const char* stage, int error);
    [[nodiscard]] pid_t main_pid(core::UnitId unit, const Live& live) const;  // 0: none
    void open_ready_pipe(core::UnitId unit, Live& live);
    void watch_ready(core::UnitId unit, Live& live, posix::Fd pipe);
    void read_ready(core::UnitId unit, core::RunId run);
    // With the keeper, if there is one.
    void keep(core::UnitId unit, core::RunId run, init::Kind kind, int fd);
    void drop(core::UnitId unit, core::RunId run, init::Kind kind);
    void open_notify(core::UnitId unit, Live& live, posix::Fd there = {});
    void on_notify(core::UnitId unit, core::RunId run, const os::NotifyMessage& message,
                   const os::NotifySender& sender);
    bool may_notify(core::UnitId unit, const Live& live, const os::NotifySender& sender) const;
    void signal_process(Live& live, core::ProcessRef process, int signal);

    void on_news(const os::ChildNews& news);
    void on(const os::Started& news);
    void on(const os::NotStarted& news);
    void on(const os::Ended& news);
    void on(const os::MainEnded& news);
    void on(const os::OrphanReaped& news);
    void on(const os::SpawnHangs& news);
    [[nodiscard]] bool is_empty(core::UnitId unit, core::RunId run) const;
    void after_end(core::UnitId unit, core::RunId run);

    os::Loop& loop_;
    os::Logs& logs_;
    os::Accounts& accounts_;
    os::Worker& worker_;
    Places places_;
    Estate estate_;
    Tell tell_;
    std::string invocation_prefix_;  // 16 hex, random: with the run it names the invocation
    std::unordered_map<core::UnitId, Live> live_;
    std::deque<core::ProcessRef> line_;  // whose spawns are held till it is their turn
    std::map<core::ProcessRef, HeldSpawn> under_way_;  // a thread has them, or will
    os::Containment containment_;
    os::Children children_;
    os::MainFinder main_finder_;
    std::map<core::UnitId, Left> left_;  // of look_for(), until taken up
    Kept left_kept_;
    std::size_t removals_ = 0;  // under way, of runtime-directory
    bool told_short_of_descriptors_ = false;
};

}  // namespace reeve
