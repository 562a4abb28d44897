// Puts the parts together: hands events to the core, carries out its actions, answers the bus.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/attach_time.hpp"
#include "daemon/bus/backend.hpp"
#include "daemon/bus/bus.hpp"
#include "daemon/core/engine.hpp"
#include "daemon/definitions.hpp"
#include "daemon/gates.hpp"
#include "daemon/ledger.hpp"
#include "daemon/options.hpp"
#include "daemon/os/accounts.hpp"
#include "daemon/os/logs.hpp"
#include "daemon/os/loop.hpp"
#include "daemon/os/worker.hpp"
#include "daemon/runs.hpp"
#include "daemon/settings.hpp"

namespace reeve {

class Runner final : public bus::Backend {
public:
    // Makes the folders and sockets; throws std::system_error when it cannot. `custodian`: what
    // reeve-init gave us; null without it. `began`: main() did.
    Runner(Options options, Settings settings, std::unique_ptr<os::Custodian> custodian,
           core::TimePoint began);
    ~Runner() override;

    // Loads the units, starts the target, runs until shutdown. Returns the exit code of reeved.
    int run();

    // bus::Backend
    core::TimePoint now() const override { return os::Loop::now(); }
    const core::Engine& engine() const override { return engine_; }
    const hal::Scheduler& scheduler() const override { return gates_.scheduler(); }
    std::string holder_name(hal::HolderId holder) const override;
    bus::UnitFacts facts(core::UnitId unit) const override { return runs_.facts(unit); }
    std::vector<pid_t> pids(core::UnitId unit) const override { return runs_.pids(unit); }
    void submit(core::Event request) override { feed(std::move(request)); }
    void refer_to(const std::string& unit, Meant done) override;
    std::vector<std::string> unit_path() const override { return options_.unit_path; }
    std::string problem_of(std::string_view name) const override {
        return definitions_.problem_of(name);
    }
    void plan(const bus::ApplyOptions& options, std::function<void(std::string)> done) override;
    void apply(const bus::ApplyOptions& options,
               std::function<void(bus::ApplyOutcome)> done) override;
    bool is_rolled_back() const override { return definitions_.is_rolled_back(); }
    posix::Fd logs(const bus::LogQuery& query) override;
    std::string stats() const override;
    void shutdown(const std::string& how, core::ShutdownRequest request) override;
    void reexec(const std::string& binary, std::function<void(std::string)> refused) override;

private:
    // An event and when it came; `number` is that of the journal.
    struct Fed {
        core::Event event;
        core::TimePoint at;
        std::uint64_t number = 0;
    };
    // A set that was taken over, and what is answered to who asked for it.
    struct Applied {
        core::RequestId request{};
        bus::ApplyOutcome outcome;
    };

    [[nodiscard]] core::Settings core_settings() const;
    [[nodiscard]] core::Result result_for(const core::Spawn& action) const;
    void come_up();
    void boot(Recover how);
    void start_first(const std::string& target);
    void feed(core::Event event);  // records and queues; handled before the loop sleeps
    void pump();
    void carry_out(const Fed& fed);
    std::vector<core::Action> decide(const Fed& fed);
    bool is_stale(const core::Event& event) const;
    void arm();
    void look_at_the_rest();
    bool is_said(const core::Report& action);
    void perform(core::Action& action);
    void on(const core::Spawn& action);
    void on(const core::SendSignal& action) { runs_.signal(action); }
    void on(const core::KillAll& action) { runs_.kill_all(action); }
    void on(const core::BeginRun& action);
    void on(const core::FindMain& action) { runs_.find_main(action); }
    void on(const core::EndRun& action) { runs_.end(action); }
    void on(const core::WatchGate& action);
    void on(const core::UnwatchGate& action) { gates_.unwatch(action.unit); }
    void on(const core::TestPredicates& action);
    void on(const core::AskLeases& action);
    void on(const core::ReturnLeases& action) { gates_.return_leases(action.unit); }
    void on(const core::Report& action);
    void on(const core::EventReport& action);
    void on(const core::Answer& action);
    void on(const core::Escalate& action);
    void on(const core::ShutdownComplete& action);
    void on(const core::Removed& action);

    // runner_taken_over.cpp
    void take_over(Ledger::Past past, core::TimePoint fetched);
    void keep_set_before();
    static bool can_roll_back(const Ledger::Past& past);
    void roll_back();
    std::vector<core::Action> remember(const Fed& fed, std::size_t done = SIZE_MAX);
    void remember(const core::Action& action);
    void remembers(const core::Spawn& action);
    void remembers(const core::BeginRun& action);
    void remembers(const core::FindMain& action) { runs_.remember(action); }
    void remembers(const core::EndRun& action) { runs_.remember(action); }
    void remembers(const core::WatchGate& action) { on(action); }  // Gates stands still itself
    void remembers(const core::UnwatchGate& action) { on(action); }
    void remembers(const core::TestPredicates& action) { on(action); }
    void remembers(const core::AskLeases& action) { on(action); }
    void remembers(const core::ReturnLeases& action) { on(action); }
    void remembers(const core::Escalate&) { exit_code_ = 1; }
    void remembers(const core::ShutdownComplete& action) { complete_ = action; }
    void remembers(const core::Removed& action);
    void remembers(const core::SendSignal&) {}
    void remembers(const core::KillAll&) {}
    void remembers(const core::Report&) {}
    void remembers(const core::EventReport&) {}
    void remembers(const core::Answer&) {}
    void remember_note(std::string_view note);
    void remember_definitions(const core::Event& event);
    static std::string note_of_apply(const Applied& applied, const std::string& definitions);
    void give_way_to(const std::string& binary);
    void note_failed(std::uint64_t event);
    void note_status(core::UnitId unit, core::RunId run, const std::string& text);
    void open_bus();
    std::function<void(std::string)> record_of_requests();
    void watch_keeper();
    void watch_socket(bool busy);
    void tend_keeper();
    void keeper_has_gone();
    [[nodiscard]] bool has_keeper() const;
    void refuse_reexec(const std::string& why);
    void resume();
    void attached();
    [[nodiscard]] journal::Snapshot snapshot() const;
    void restore(const journal::Snapshot& snapshot);

    void take(const core::ApplySet& set, const std::string& note = {});
    bus::ApplyOutcome take_over_set(core::RequestId request, Plan& plan, DefinitionSet& next);
    void look_after_apply();
    void apply_quietly();  // SIGHUP
    void check_accounts();
    void end(core::ShutdownRequest request);  // as feed(), and says so in the log
    void handle_signals();

    Options options_;
    Settings settings_;
    os::Loop loop_;
    std::unique_ptr<os::Custodian> custodian_;
    Runs::Kept kept_;  // what the keeper gave back, until it is taken over
    std::unique_ptr<os::Slots> slots_;
    Ledger ledger_;
    core::Engine engine_;
    os::Logs logs_;
    os::Worker worker_;
    os::Accounts accounts_;
    Definitions definitions_;
    Gates gates_;
    Runs runs_;
    std::unique_ptr<bus::Bus> bus_;
    std::deque<Fed> queue_;
    std::optional<Applied> foretold_, to_answer_;   // the other died before it could
    std::optional<AttachTime> attached_;            // none: there was nothing to take over
    core::TimePoint began_;                         // main() did
    std::map<core::UnitId, std::string> hindered_;  // by an account, and why
    std::set<core::UnitId> lacking_;                // descriptors to start with, as the log said
    bool keeper_busy_ = false;
    bool keeper_gone_ = false;
    std::vector<std::function<void(std::string)>> refuse_reexec_;  // of those it was told of
    bool by_reexec_ = false;                                       // the one before us gave way
    bool coming_up_ = true;  // nothing of this is to be taken over by another yet
    bool pump_due_ = false;
    bool pumping_ = false;
    std::uint64_t events_handled_ = 0;
    std::optional<int> exit_code_;
    std::optional<core::ShutdownComplete> complete_;  // the last step of a shutdown has begun
    std::optional<core::TimePoint> rest_until_;       // set: the last step of a shutdown; then KILL
};

}  // namespace reeve
