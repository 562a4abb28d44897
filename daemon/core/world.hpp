// The engine's inside: all state, and the functions that move it, one file a job. An event changes
// something and touches units; settle() looks at the touched until nothing moves (semantics §2).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/core/deadlines.hpp"
#include "daemon/core/derived.hpp"
#include "daemon/core/engine.hpp"
#include "daemon/core/facts.hpp"
#include "daemon/core/graph.hpp"
#include "daemon/core/requests.hpp"

namespace reeve::core {

// semantics §10. `ended`: the shell does the rest.
enum class Phase : std::uint8_t { normal, joining, going, last_target, ended };
constexpr Phase last_of(Phase) noexcept {
    return Phase::ended;
}

class World;

// semantics §3.
struct WantedRule {
    static constexpr std::size_t slot = 0;
    const World* world;
    [[nodiscard]] bool base(const Unit& unit) const noexcept;
    [[nodiscard]] bool open(const Unit& unit) const noexcept;
    [[nodiscard]] static bool supports(const Edge& edge) noexcept {
        return !edge.outgoing && pulls(edge.bond) && edge.other->support[slot] != nullptr;
    }
    static bool dependent(const Edge& edge) noexcept { return edge.outgoing && pulls(edge.bond); }
    [[nodiscard]] static bool spreads(const Unit&, const Edge&) noexcept { return true; }
};

// semantics §5, of decisions and of losses apart.
template <std::size_t Slot>
struct GoRule {
    static constexpr std::size_t slot = Slot;
    const World* world;
    [[nodiscard]] bool base(const Unit& unit) const noexcept;
    [[nodiscard]] static bool open(const Unit&) noexcept { return true; }
    [[nodiscard]] static bool supports(const Edge& edge) noexcept {
        return edge.outgoing && shares_fate(edge.bond) && edge.other->support[slot] != nullptr;
    }
    static bool dependent(const Edge& edge) noexcept {
        return !edge.outgoing && shares_fate(edge.bond);
    }
    [[nodiscard]] static bool spreads(const Unit&, const Edge&) noexcept { return true; }
};
using DecisionRule = GoRule<1>;
using LossRule = GoRule<2>;

// Missing, masked, failed, asked down; or waiting for such: *stuck* (semantics §4, line 2).
struct HopelessRule {
    static constexpr std::size_t slot = 3;
    [[nodiscard]] static bool base(const Unit& unit) noexcept;
    [[nodiscard]] static bool open(const Unit& unit) noexcept;
    [[nodiscard]] static bool supports(const Edge& edge) noexcept;
    static bool dependent(const Edge& edge) noexcept {
        return !edge.outgoing && must_be_up(edge.bond);
    }
    [[nodiscard]] static bool spreads(const Unit& unit, const Edge& edge) noexcept {
        return edge.ordered || base(unit);
    }
};

inline bool is_wanted(const Unit& unit) noexcept {
    return Derived<WantedRule>::holds(unit);
}
inline bool goes_by_decision(const Unit& unit) noexcept {
    return Derived<DecisionRule>::holds(unit);
}
inline bool goes_for_loss(const Unit& unit) noexcept {
    return Derived<LossRule>::holds(unit);
}
inline bool must_go(const Unit& unit) noexcept {
    return goes_by_decision(unit) || goes_for_loss(unit);
}
inline bool is_stuck(const Unit& unit) noexcept {
    return unit.state() == State::waiting && Derived<HopelessRule>::holds(unit);
}
inline bool is_known(const Unit& unit) noexcept {
    return unit.file() != nullptr || unit.masked;
}
// People may look at it: known, or missing for the problems of its file.
inline bool is_listed(const Unit& unit) noexcept {
    return is_known(unit) || unit.is_bad();
}

class World {
public:
    explicit World(Settings the_settings) : settings{std::move(the_settings)} {}

    std::vector<Action> handle(const Event& event, TimePoint at);
    [[nodiscard]] TimePoint next_deadline() const noexcept;

    // Of a running unit: start.cpp, stop.cpp.
    [[nodiscard]] bool gate_is_lost(const Unit& unit) const;
    [[nodiscard]] static bool bond_lost(const Unit& unit) noexcept;

    // view.cpp, why.cpp
    [[nodiscard]] UnitView view(const Unit& unit) const;
    [[nodiscard]] std::vector<Reason> why(const Unit& unit, bool all) const;
    [[nodiscard]] std::string why_text(const Unit& unit) const;
    [[nodiscard]] std::vector<Unit*> goes_with(Unit& unit) const;
    [[nodiscard]] std::vector<EventView> event_views() const;

    // saved.cpp
    [[nodiscard]] std::string save() const;
    void load(const std::vector<units::UnitPtr>& definitions, std::string_view saved);

    // apply.cpp
    [[nodiscard]] bool is_changed_by(const ApplySet& set) const;
    void adopt(const ApplySet& set) noexcept;

    // ── state ──
    Settings settings;
    Graph graph;
    Facts facts;
    Deadlines deadlines;
    Requests requests;
    std::uint64_t last_run = 0;
    Phase phase = Phase::normal;
    TimePoint join_until = never;
    TimePoint shutdown_until = never;
    Unit* last_target = nullptr;  // the target `shutdown`, once it is its turn
    std::deque<UnitId> results;   // transient units at rest, the oldest first

private:
    // A start that the engine itself asks for: on-failure, on-success, limit.then.
    struct Trigger {
        std::string unit;
        std::string by;
    };
    enum class Obstacle : std::uint8_t { none, not_up, not_settled, going, conflict };

    // ── settle.cpp: from touched to quiet ──
    void settle();
    void look_round();
    void look(Unit& unit);
    void touch(Unit& unit);
    void touch_those_held_up_by(const Unit& unit);
    void rederive(Unit& unit);
    void rederive_wanted(Unit& unit);
    void rederive_going(Unit& unit);
    void rederive_hopeless(Unit& unit);
    template <class Step>
    void drive(Unit& unit, Step step);
    [[nodiscard]] Turn turn_of(Unit& unit);
    void moved(Unit& unit, State from, State to);
    void came_to_rest(Unit& unit, State rest);
    void up_changed(Unit& unit, bool came_up);
    void run_over(Unit& unit);
    void ask(Unit& unit, Asked asked, std::string_view by);
    void expire();

    // ── start.cpp ──
    void try_start(Unit& unit);
    void begin(Unit& unit);
    void hold_back(Unit& unit);
    void wait_for(Unit& unit, const char* what);
    void give_up_start(Unit& unit);
    [[nodiscard]] bool in_the_way(Unit& unit);
    [[nodiscard]] static Obstacle obstacle(const Unit& unit, const Edge& edge) noexcept;
    [[nodiscard]] static bool has_settled(const Unit& unit) noexcept;
    [[nodiscard]] bool gate_holds(const Unit& unit) const;
    bool idle_lets_start(Unit& unit);
    bool start_next_idle();
    bool tests_let_start(Unit& unit);
    void judge_tests(Unit& unit, const std::vector<std::string>* existing);
    bool leases_let_start(Unit& unit);
    void over_limit(Unit& unit);
    [[nodiscard]] std::string start_reason(const Unit& unit) const;
    void watch_gate(Unit& unit);
    void unwatch_gate(Unit& unit);
    void bind_runs(Unit& unit);

    // ── stop.cpp ──
    void try_go(Unit& unit);
    [[nodiscard]] bool held_by_later(Unit& unit);
    [[nodiscard]] bool holds_itself_up(const Unit& unit) const;
    [[nodiscard]] std::string go_reason(const Unit& unit) const;
    void return_leases(Unit& unit);

    // ── verbs.cpp: requests ──
    void on(const StartRequest& request);
    void on(const StopRequest& request);
    void on(const RestartRequest& request);
    void on(const ReloadRequest& request);
    void on(const IsolateRequest& request);
    void on(const KillRequest& request);
    void on(const WaitRequest& request);
    void on(const ResetFailedRequest& request);
    void on(const ForgetRequest& request);
    void on(const EventRequest& request);
    void on(const WaitEventRequest& request);
    void on(const ShutdownRequest& request);
    void on(const RunRequest& request);
    void on(const CancelRequest& request);
    // What keeps a start from being asked for: an answer. nullopt: nothing.
    std::optional<Answer> cannot_start(std::string_view name, bool manual);
    std::string start_asked(Unit& unit, std::string_view by);  // why it is refused, or ""
    [[nodiscard]] std::vector<Unit*> pull_of(Unit& unit) const;
    [[nodiscard]] std::vector<Unit*> needs_of(Unit& unit) const;
    void forget_failure(Unit& unit);
    void set_mark(const std::string& event, bool set);
    void event_changed(const std::string& name, Latch& latch, bool was_set);

    // ── answers.cpp ──
    void answer(RequestId id, Answer::Verdict verdict, const Unit* unit, std::string text = {});
    void await(const Caller& caller, Pending pending);
    void answer_what_is_due();
    void cancel_all_requests();
    std::optional<Answer> outcome(RequestId id, Pending& pending,
                                  const std::vector<Unit*>& changed);
    [[nodiscard]] std::optional<Answer> outcome_of_start(const Pending& pending) const;
    [[nodiscard]] std::string end_text(const Unit& unit) const;

    // ── apply.cpp: definitions ──
    void on(const ApplySet& set);
    void on(const AddUnit& news);
    bool define(Unit& unit, const units::UnitPtr& definition);
    void undefine(Unit& unit);
    void keep_for_run(Unit& unit);
    void stand_as(const ApplySet& set, const std::set<std::string_view>& named,
                  UnitsByName& changed);
    void rewire(Unit& unit) { rewire(UnitsByName{&unit}); }
    void rewire(const UnitsByName& units);
    static void mend_bonds(Unit& unit);
    void rewire_all();
    Unit& add_unit(const units::UnitPtr& definition);
    void retire_the_gone();
    bool forget_the_oldest();

    // ── news.cpp: from the shell ──
    template <class News>
    void pass_on(UnitId id, const News& news);
    void on(const Spawned& news);
    void on(const SpawnFailed& news);
    void on(const Exited& news);
    void on(const Emptied& news);
    void on(const MainFound& news);
    void on(const MainMissing& news);
    void on(const MainExited& news);
    void on(const Notified& news);
    void on(const PathChanged& news);
    void on(const DeviceChanged& news);
    void on(const PredicatesTested& news);
    void on(const LeasesGranted& news);
    void on(const LeasesRefused& news);
    void on(const Hindered& news);
    void on(const Found& news);
    void on(const TimePassed&) {}
    void found(Unit& unit, RunId run);
    void gates_changed(const UnitsByName& watchers);

    // ── shutdown.cpp ──
    void enter_phase(Phase next);
    bool advance_shutdown();

    // ── saved.cpp ──
    class Loader;
    void derive(Unit& unit);

    // ── of this event ──
    TimePoint now_{};
    std::vector<Action> out_;
    std::vector<Unit*> touched_;
    std::vector<Unit*> gone_;  // without a definition and at an end: forgotten once all is quiet
    std::deque<Trigger> triggers_;
    std::vector<std::string> triggered_;  // in this event: a ring of on-failure ends here
    UnitsByName idle_;                    // wait to begin when nothing else is starting
    UnitsByName refused_;                 // a device they want a lease of does not exist
    std::vector<Unit*> joining_;          // shutdown waits for their ends
    std::uint32_t starting_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t stale_ = 0;  // run with another definition than the current one
};

// One step of the unit's machine; what it reports is followed up.
template <class Step>
void World::drive(Unit& unit, Step step) {
    std::size_t index = out_.size();
    step(turn_of(unit));
    deadlines.set(unit, unit.machine.next_deadline());
    for (const std::size_t end = out_.size(); index < end; ++index) {
        const auto* report = std::get_if<Report>(&out_[index]);
        if (report == nullptr) continue;
        const State from = report->from;  // moved() may append to out_
        const State to = report->to;
        moved(unit, from, to);
    }
}

}  // namespace reeve::core
