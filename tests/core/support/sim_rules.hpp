// The promises of the core, checked as it acts: each action against the state of that instant, and
// all units together now and then.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/core/engine.hpp"
#include "tests/core/support/sim_graph.hpp"
#include "tests/core/support/sim_set.hpp"
#include "tests/core/support/sim_world.hpp"

namespace reeve::sim {

class Rules {
public:
    Rules(const World& world, const core::Settings& settings)
        : world_{world}, settings_{settings}, graph_{world} {}

    // What the event itself changes, and what the engine said at once. Before the first check().
    void note(const core::Event& event, const std::vector<core::Action>& actions,
              core::TimePoint now);
    // One action, before the world carries it out. Throws Violation.
    void check(const core::Engine& engine, const core::Action& action, core::TimePoint now);
    // After the last action of a call.
    void finish(const core::Engine& engine, core::TimePoint now);
    // Everything about all units. Called by finish() as often as their number allows.
    void sweep(const core::Engine& engine, core::TimePoint now);
    // Nothing is under way in the world and no deadline is near.
    void at_rest(const core::Engine& engine, core::TimePoint now);
    // After ShutdownComplete.
    void all_gone(const core::Engine& engine);

    units::UnitPtr definition_for(const core::Engine& engine, const core::Action& action);
    [[nodiscard]] bool shutting_down() const { return graph_.shutting_down; }
    [[nodiscard]] bool complete() const { return complete_; }
    // Requests without an answer, and not cancelled.
    [[nodiscard]] std::size_t open_requests() const { return open_.size(); }
    // Units with a limit on how long they run, which never come to rest by themselves.
    [[nodiscard]] std::vector<std::string> restless() const;
    [[nodiscard]] std::vector<std::string> running() const;
    [[nodiscard]] std::string name(const core::Engine& engine, core::UnitId unit) const;
    [[nodiscard]] std::vector<std::string> neighbours(const std::string& name) const;

    std::uint64_t starts = 0;
    std::uint64_t sweeps = 0;

private:
    enum class Kind : std::uint8_t { start, stop, restart, try_restart, wait, other };
    struct Request {
        Kind kind = Kind::other;
        core::TimePoint deadline;
    };

    core::TimePoint advance(core::TimePoint now);
    void note_moves(const std::vector<core::Action>& actions);
    void note_request(const core::Event& event);
    void note_definitions(const core::ApplySet& set, core::TimePoint now);
    bool define(const units::UnitPtr& unit, core::TimePoint now);
    void begin_request(const core::Caller& caller, Kind kind);
    void forget_counters(const std::string& name);
    void trigger(const std::string& name);
    void drop_kept(const core::Engine& engine);

    void on(const core::Engine& engine, const core::Report& report, core::TimePoint now);
    void on(const core::Engine& engine, const core::Answer& answer, core::TimePoint now);
    void look_at_mark(const core::Engine& engine, const std::string& event);
    void check_transition(const Node& node, const core::Report& report) const;
    void check_start(const core::Engine& engine, std::size_t index, core::TimePoint now);
    void check_limit(Node& node, core::TimePoint now);
    void check_tests(const Node& node) const;
    void bind(Node& node);
    void check_go(const core::Engine& engine, std::size_t index, core::TimePoint now);
    void check_up(const Node& node) const;
    void check_gone(const Node& node) const;
    void check_backoff(const core::Engine& engine, Node& node, core::TimePoint now);
    void check_state(const core::Engine& engine, std::size_t index, core::TimePoint now);
    void check_waiting(const core::Engine& engine, std::size_t index, core::TimePoint now);
    void check_must_go(const core::Engine& engine, std::size_t index);
    void check_answers(const core::Engine& engine, core::TimePoint now);
    [[nodiscard]] bool ended_by_itself(const Node& node, core::TimePoint now) const;
    [[nodiscard]] bool wanted_at_shutdown(const std::string& name) const;

    const World& world_;
    core::Settings settings_;
    Graph graph_;
    std::map<core::RequestId, Request> open_;
    std::set<core::RequestId> closed_;
    std::set<core::RequestId> refused_;  // within this call
    std::set<std::string> triggered_;    // likewise
    bool conflicts_go_ = false;          // likewise: something was started by request
    std::vector<std::size_t> touched_;
    std::vector<std::size_t> moving_;
    std::size_t at_ = 0;         // the action that is looked at, and from which on in this call …
    std::size_t sure_from_ = 0;  // … nothing more changes in what is asked and wanted
    bool unsure_ = false;
    std::uint64_t since_sweep_ = 0;
    core::TimePoint shutdown_at_{};
    bool forced_ = false;
    bool complete_ = false;
    bool late_ = false;
    bool resting_ = false;
    core::TimePoint latest_{};
    bool new_units_ = false;  // in this call there may be some
};

}  // namespace reeve::sim
