// What must be so, derived anew from docs/semantics.md and from nothing of the engine but what it
// says it remembers (asked, state, run): who is wanted, who must go, who may start.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/engine.hpp"
#include "tests/core/support/sim_world.hpp"

namespace reeve::sim {

// A unit as an onlooker knows it: from reports, requests and definitions.
struct Node {
    core::UnitId id{};
    std::string name;
    bool known = false;  // the engine has an id for it
    bool masked = false;
    units::UnitPtr current;  // nullptr: missing, removed or masked
    units::UnitPtr of_run;   // while it runs
    core::State state = core::State::down;
    core::RunId run{};
    core::TimePoint since{};
    core::TimePoint defined{};
    core::TimePoint up_since = core::TimePoint::max();
    core::TimePoint next_start{};
    bool kept = false;
    bool kept_in_doubt = false;  // the engine knows; it shows in what is wanted
    bool bounce = false;
    bool reset = false;   // down by reset-failed …
    bool lifted = false;  // … and since then something may have asked for it
    struct Bond {
        std::size_t to;
        core::RunId run;
        bool open;          // order = "none": the first run that comes up since, none yet
        bool lost = false;  // and what it was to has lost its name since
    };
    std::vector<Bond> bonds;
    std::uint32_t row = 0;                // ends in a row
    bool forgotten = false;               // a request came since the last end
    std::vector<core::TimePoint> starts;  // since the last request

    // As the engine says; refreshed by Graph::look().
    core::Asked asked = core::Asked::none;
    bool gate_took = false;  // asked down by the loss of its gate
    bool wanted = false;
    std::uint64_t looked = 0;
    bool came_up = false;  // within this call, though it may be gone again
    bool moves = false;  // changes state in this call; what was so before cannot be asked any more

    // Derived from the definitions in force.
    struct Need {
        std::size_t to;
        bool must_be_up;  // done is not enough
        bool ordered;
    };
    std::vector<Need> needs;                 // requires, binds-to, requisite
    std::vector<std::size_t> pulls;          // requires, binds-to, wants
    std::vector<std::size_t> pulled_by;      // the same seen from the other end
    std::vector<std::size_t> goes_with;      // requires, binds-to, requisite, part-of
    std::vector<std::size_t> before, after;  // those that come before and after it in order
    std::vector<std::size_t> conflicts;

    [[nodiscard]] const units::UnitPtr& definition() const {
        return core::is_running(state) ? of_run : current;
    }
};

enum class Truth : std::uint8_t { no, unknown, yes };

class Graph {
public:
    explicit Graph(const World& world) : world_{world} {}

    std::deque<Node> nodes;  // a reference to one outlives the coming of others
    bool shutting_down = false;
    bool joining = false;               // of the shutdown, or it was at the beginning of this call
    bool within_call = false;           // what the engine says may be later than what is looked at
    bool wishes_move = false;           // likewise, of what is asked and wanted
    std::map<std::string, bool> marks;  // events set by request

    std::size_t by_name(const std::string& name);  // makes one when there is none
    std::size_t by_id(const core::Engine& engine, core::UnitId id);
    [[nodiscard]] const Node* seen(core::UnitId id) const;  // nullptr: never heard of
    void forget_id(core::UnitId id);  // Removed: the name may come again with another id
    void set_alias(const std::string& alias, const std::string& name) { aliases_[alias] = name; }
    void drop_aliases();  // of what is not there any more, and does not run on either
    void links_changed() { stale_ = true; }
    void link();  // anew, if links changed

    // In a shutdown the others are wanted until those that are joined have ended.
    void see_whether_joined(const core::Engine& engine);
    // Forgets what look() and must_go() found out; to be called when anything has changed.
    void changed() { ++epoch_; }
    Node& look(const core::Engine& engine, std::size_t index);

    // §3: wanted because it ran, and nobody asked for anything else.
    static bool is_kept(const Node& node);
    // §3, over all nodes: which differ from what the engine says? npos: none does.
    std::size_t wrongly_wanted();
    // It, or what pulls it, was asked down by the loss of a gate, perhaps late in this call.
    bool lost_to_a_gate(const core::Engine& engine, std::size_t index);
    // §5. `surely`: no doubt allowed; otherwise everything that may be a reason counts.
    bool must_go(const core::Engine& engine, std::size_t index, bool surely);
    // The unit that is the cause of it; npos: it need not go.
    std::size_t cause_to_go(const core::Engine& engine, std::size_t index, bool surely);
    // Whether it, or what it goes with, has lost its gate, perhaps within this call.
    bool may_have_lost_gate(const core::Engine& engine, std::size_t index);
    // It has come up: what waits for that is bound to this run.
    void came_up(std::size_t index);
    // §4, lines 1 to 4 without what is tested once; empty: may start. Otherwise what is missing.
    // `states_only`: what is asked may just have changed; go by what was reported.
    std::string missing_to_start(const core::Engine& engine, std::size_t index,
                                 bool states_only = false);
    [[nodiscard]] bool stuck(const core::Engine& engine, std::size_t index, int depth = 0);
    [[nodiscard]] Truth holds(const std::vector<units::Predicate>& predicates,
                              const std::vector<std::string>* tested) const;

    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

private:
    template <class Test>
    std::size_t find_in_fate(std::size_t index, Test test);
    bool own_reason(const core::Engine& engine, std::size_t index, bool surely);
    [[nodiscard]] bool bond_lost(const Node& node) const;
    [[nodiscard]] bool is_lost(const Node::Bond& bond) const;
    void mend_bonds();
    [[nodiscard]] bool event_set(const std::string& name) const;
    [[nodiscard]] Truth holds(const units::Predicate& predicate,
                              const std::vector<std::string>* tested) const;
    void link_node(std::size_t index);
    bool settled(const core::Engine& engine, std::size_t index);

    const World& world_;
    std::unordered_map<std::string, std::size_t> names_;
    std::unordered_map<std::string, std::string> aliases_;
    std::vector<std::size_t> ids_;                             // by UnitId
    std::map<std::string, std::vector<std::size_t>> setters_;  // of events
    struct Implied {
        std::size_t target;
        std::size_t wanted;
    };
    std::vector<Implied> implied_;  // of link(): the order of what targets want
    bool stale_ = true;
    std::uint64_t epoch_ = 1;
    std::vector<std::uint64_t> visited_;
    std::uint64_t visit_ = 0;
};

inline bool is_up(core::State state) {
    return state == core::State::up || state == core::State::reloading;
}

}  // namespace reeve::sim
