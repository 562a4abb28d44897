#include "tests/core/support/sim_graph.hpp"

#include <algorithm>
#include <set>

namespace reeve::sim {

using namespace core;
using units::Predicate;
using units::Relation;

std::size_t Graph::by_name(const std::string& name) {
    const auto alias = aliases_.find(name);
    const std::string& real = alias == aliases_.end() ? name : alias->second;
    const auto [it, fresh] = names_.try_emplace(real, nodes.size());
    if (fresh) {
        nodes.emplace_back();
        nodes.back().name = real;
        visited_.push_back(0);
    }
    return it->second;
}

std::size_t Graph::by_id(const Engine& engine, UnitId id) {
    const auto value = static_cast<std::size_t>(id);
    if (value >= ids_.size()) ids_.resize(value + 1, npos);
    if (ids_[value] == npos) {
        const auto index = by_name(std::string{engine.name(id)});
        // A mere name, which nobody spoke of for a while, may come back under another id.
        if (nodes[index].known &&
            (is_running(nodes[index].state) || !engine.name(nodes[index].id).empty())) {
            throw Violation{id, "two units of one name"};
        }
        nodes[index].known = true;
        nodes[index].id = id;
        ids_[value] = index;
    }
    return ids_[value];
}

const Node* Graph::seen(UnitId id) const {
    const auto value = static_cast<std::size_t>(id);
    return value < ids_.size() && ids_[value] != npos ? &nodes[ids_[value]] : nullptr;
}

void Graph::forget_id(UnitId id) {
    const auto index = ids_.at(static_cast<std::size_t>(id));
    auto& node = nodes[index];
    if (is_running(node.state)) throw Violation{id, "removed while it runs"};
    // The id stays with the node, for late talk of it; the name gets a node of its own.
    names_.erase(node.name);
    const auto heir = by_name(node.name);
    for (auto& other : nodes) {
        for (auto& bond : other.bonds) {
            if (bond.open && bond.to == index) bond.to = heir;
        }
    }
    node.current = nullptr;
    node.known = false;
    stale_ = true;
    nodes[heir].masked = node.masked;
    drop_aliases();
}

void Graph::drop_aliases() {
    std::erase_if(aliases_, [&](const auto& alias) {
        const auto it = names_.find(alias.second);
        return it == names_.end() ||
               (!nodes[it->second].current && !is_running(nodes[it->second].state));
    });
    stale_ = true;
}

Node& Graph::look(const Engine& engine, std::size_t index) {
    auto& node = nodes[index];
    if (node.looked == epoch_ || !node.known) return node;
    if (engine.name(node.id).empty()) {  // a mere name that came back, of which no report told yet
        if (const auto id = engine.find(node.name)) by_id(engine, *id);
    }
    const auto view = engine.view(node.id);
    node.asked = view.asked;
    node.gate_took = view.asked == Asked::down && view.asked_by == "the loss of its gate";
    node.wanted = view.wanted;
    node.looked = epoch_;
    return node;
}

// ── links ──────────────────────────────────────────────────────────────────────────────────────

void Graph::link() {
    if (!stale_) return;
    stale_ = false;
    for (auto& node : nodes) {
        node.needs.clear();
        for (auto* links : {&node.pulls, &node.pulled_by, &node.goes_with, &node.before,
                            &node.after, &node.conflicts}) {
            links->clear();
        }
    }
    setters_.clear();
    for (std::size_t i = 0; i < nodes.size(); ++i) link_node(i);
    // A target comes after what it wants, unless the opposite order is written.
    std::erase_if(implied_, [&](const auto& order) {
        return std::ranges::find(nodes[order.target].after, order.wanted) !=
               nodes[order.target].after.end();
    });
    for (const auto& [target, wanted] : implied_) {
        nodes[wanted].after.push_back(target);
        nodes[target].before.push_back(wanted);
    }
    implied_.clear();
    mend_bonds();
    visited_.assign(nodes.size(), 0);
}

// Aliases may be nobody's now, or another's: a run is bound to what its definition names.
void Graph::mend_bonds() {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        auto& node = nodes[i];
        if (node.bonds.empty()) continue;
        const auto is_named = [&](const Node::Bond& bond) {
            return std::ranges::any_of(node.of_run->links, [&](const units::Link& link) {
                return link.relation == Relation::binds_to && by_name(link.unit) == bond.to;
            });
        };
        std::erase_if(node.bonds,
                      [&](const auto& bond) { return !is_lost(bond) && !is_named(bond); });
        for (auto& bond : node.bonds) bond.lost = bond.lost || !is_named(bond);
    }
}

void Graph::link_node(std::size_t index) {
    const auto definition = nodes[index].definition();
    if (!definition) return;
    for (const auto& event : definition->sets) setters_[event].push_back(index);
    const auto order = [&](std::size_t first, std::size_t second) {
        nodes[first].after.push_back(second);
        nodes[second].before.push_back(first);
    };
    const auto need = [&](std::size_t from, std::size_t to, bool must_be_up, bool ordered) {
        nodes[from].needs.push_back({to, must_be_up, ordered});
        nodes[from].goes_with.push_back(to);
        if (ordered) order(to, from);
    };
    const auto want = [&](std::size_t from, std::size_t to) {
        nodes[from].pulls.push_back(to);
        nodes[to].pulled_by.push_back(from);
        const auto& wanting = nodes[from].definition();
        if (wanting && wanting->kind == units::Kind::target) implied_.push_back({from, to});
    };
    for (const auto& link : definition->links) {
        const auto other = by_name(link.unit);
        switch (link.relation) {
            case Relation::after: order(other, index); break;
            case Relation::before: order(index, other); break;
            case Relation::requires_:
            case Relation::binds_to:
                need(index, other, link.relation == Relation::binds_to, link.ordered);
                nodes[index].pulls.push_back(other);
                nodes[other].pulled_by.push_back(index);
                break;
            case Relation::requisite: need(index, other, true, link.ordered); break;
            case Relation::wants: want(index, other); break;
            case Relation::part_of: nodes[index].goes_with.push_back(other); break;
            case Relation::conflicts:
                nodes[index].conflicts.push_back(other);
                nodes[other].conflicts.push_back(index);
                break;
            case Relation::wanted_by:
                if (definition->enabled) want(other, index);
                break;
            case Relation::required_by:
                if (!definition->enabled) break;
                need(other, index, false, link.ordered);
                nodes[other].pulls.push_back(index);
                nodes[index].pulled_by.push_back(other);
                break;
            case Relation::on_failure:
            case Relation::on_success: break;
        }
    }
}

// ── predicates (§8) ────────────────────────────────────────────────────────────────────────────

bool Graph::event_set(const std::string& name) const {
    const auto mark = marks.find(name);
    if (mark != marks.end() && mark->second) return true;
    const auto setters = setters_.find(name);
    return setters != setters_.end() && std::ranges::any_of(setters->second, [&](std::size_t i) {
               return is_up(nodes[i].state);
           });
}

Truth Graph::holds(const Predicate& predicate, const std::vector<std::string>* tested) const {
    const auto sure = [](bool value) { return value ? Truth::yes : Truth::no; };
    Truth truth = Truth::unknown;
    switch (predicate.kind) {
        case Predicate::Kind::event: truth = sure(event_set(predicate.argument)); break;
        case Predicate::Kind::unit: {
            const auto it = names_.find(predicate.argument);
            truth = sure(it != names_.end() && is_up(nodes[it->second].state));
            break;
        }
        case Predicate::Kind::device: truth = sure(world_.told_device(predicate.argument)); break;
        case Predicate::Kind::path:
            if (tested) {
                truth = sure(std::ranges::find(*tested, predicate.argument) != tested->end());
            } else if (const auto told = world_.told_path(predicate.argument)) {
                truth = sure(*told);
            }
            break;
        case Predicate::Kind::any:
            truth = Truth::no;
            for (const auto& part : predicate.parts) truth = std::max(truth, holds(part, tested));
            break;
        case Predicate::Kind::all: truth = holds(predicate.parts, tested); break;
    }
    if (!predicate.negated) return truth;
    return static_cast<Truth>(2 - static_cast<int>(truth));
}

Truth Graph::holds(const std::vector<Predicate>& predicates,
                   const std::vector<std::string>* tested) const {
    Truth truth = Truth::yes;
    for (const auto& predicate : predicates) truth = std::min(truth, holds(predicate, tested));
    return truth;
}

// ── §3 ─────────────────────────────────────────────────────────────────────────────────────────

namespace {

// What is missing, masked or removed cannot be had, and pulls nothing.
bool wantable(const Node& node) {
    return node.current && !node.masked;
}

}  // namespace

bool Graph::is_kept(const Node& node) {
    const auto& definition = node.definition();
    return wantable(node) && node.asked == Asked::none && node.kept && definition &&
           !definition->stop_when_unneeded && (node.wanted || !node.kept_in_doubt);
}

std::size_t Graph::wrongly_wanted() {
    std::vector<std::size_t> found;
    std::vector<bool> wanted(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const bool asked_up = nodes[i].asked == Asked::up && wantable(nodes[i]);
        if (!asked_up && !is_kept(nodes[i])) continue;
        wanted[i] = true;
        found.push_back(i);
    }
    while (!found.empty()) {
        const auto from = found.back();
        found.pop_back();
        for (const auto to : nodes[from].pulls) {
            if (wanted[to] || nodes[to].asked != Asked::none || !wantable(nodes[to])) continue;
            wanted[to] = true;
            found.push_back(to);
        }
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].known && nodes[i].definition() && nodes[i].wanted != wanted[i]) return i;
    }
    return npos;
}

// ── §5 ─────────────────────────────────────────────────────────────────────────────────────────

bool Graph::is_lost(const Node::Bond& bond) const {
    const auto& other = nodes[bond.to];
    return bond.lost || (!bond.open && (!is_up(other.state) || other.run != bond.run));
}

bool Graph::bond_lost(const Node& node) const {
    return std::ranges::any_of(node.bonds, [&](const auto& bond) { return is_lost(bond); });
}

void Graph::came_up(std::size_t index) {
    for (auto& node : nodes) {
        for (auto& bond : node.bonds) {
            if (!bond.open || bond.to != index) continue;
            bond.open = false;
            bond.run = nodes[index].run;
        }
    }
}

bool Graph::own_reason(const Engine& engine, std::size_t index, bool surely) {
    const auto& node = look(engine, index);
    const bool runs = is_running(node.state);
    const bool doubt = surely && within_call;
    const bool asked_later = doubt && (wishes_move || node.gate_took);
    if ((node.asked == Asked::down && !asked_later) || node.bounce || node.masked) return true;
    if (runs && !node.current) return true;
    // Within this call the join may have ended, and with it what was wanted for its sake.
    const auto unwanted_later = [&] {
        return wishes_move || joining || lost_to_a_gate(engine, index);
    };
    if (runs && !node.wanted && !(doubt && unwanted_later())) return true;
    if (!surely && (shutting_down || (runs && node.moves))) return true;
    if (!runs) return false;
    const auto& predicates = *node.of_run->predicates;
    if (predicates.gate_lost != units::GateLost::ignore) {
        const Truth gate = holds(predicates.gate, nullptr);
        if (surely ? gate == Truth::no : gate != Truth::yes) return true;
    }
    return bond_lost(node);
}

bool Graph::lost_to_a_gate(const Engine& engine, std::size_t index) {
    std::vector<std::size_t> left{index};
    std::set<std::size_t> seen{index};
    while (!left.empty()) {
        const auto i = left.back();
        left.pop_back();
        if (look(engine, i).gate_took) return true;
        for (const auto by : nodes[i].pulled_by) {
            if (seen.insert(by).second) left.push_back(by);
        }
    }
    return false;
}

bool Graph::must_go(const Engine& engine, std::size_t index, bool surely) {
    return cause_to_go(engine, index, surely) != npos;
}

// The first that passes the test, of the unit and all it goes with.
template <class Test>
std::size_t Graph::find_in_fate(std::size_t index, Test test) {
    ++visit_;
    std::vector<std::size_t> left{index};
    visited_[index] = visit_;
    while (!left.empty()) {
        const auto i = left.back();
        left.pop_back();
        if (test(i)) return i;
        for (const auto other : nodes[i].goes_with) {
            if (visited_[other] == visit_) continue;
            visited_[other] = visit_;
            left.push_back(other);
        }
    }
    return npos;
}

std::size_t Graph::cause_to_go(const Engine& engine, std::size_t index, bool surely) {
    return find_in_fate(index, [&](std::size_t i) { return own_reason(engine, i, surely); });
}

void Graph::see_whether_joined(const Engine& engine) {
    for (std::size_t i = 0; joining && i < nodes.size(); ++i) {
        const auto& node = look(engine, i);
        joining = !is_running(node.state) || node.wanted || !node.current || node.masked ||
                  node.asked == Asked::down;
    }
}

bool Graph::may_have_lost_gate(const Engine& engine, std::size_t index) {
    return find_in_fate(index, [&](std::size_t i) { return look(engine, i).gate_took; }) != npos;
}

// ── §4 ─────────────────────────────────────────────────────────────────────────────────────────

bool Graph::stuck(const Engine& engine, std::size_t index, int depth) {
    const auto& node = look(engine, index);
    if (node.state != State::waiting || depth > 64) return false;
    return std::ranges::any_of(node.needs, [&](const Node::Need& need) {
        const auto& other = look(engine, need.to);
        return !other.current || other.masked || other.state == State::failed || other.reset ||
               other.asked == Asked::down || (need.ordered && stuck(engine, need.to, depth + 1));
    });
}

bool Graph::settled(const Engine& engine, std::size_t index) {
    const auto& node = look(engine, index);
    if (!node.known || !node.wanted) return true;
    switch (node.state) {
        case State::up:
        case State::reloading:
        case State::done:
        case State::failed:
        case State::backoff: return true;
        case State::waiting: return stuck(engine, index);
        case State::down: return true;  // wanted since, within the same call
        case State::starting:
        case State::stopping:
        case State::killing: return false;
    }
    return false;
}

std::string Graph::missing_to_start(const Engine& engine, std::size_t index, bool states_only) {
    const auto& node = look(engine, index);
    for (const auto& need : node.needs) {
        const auto& other = look(engine, need.to);
        if (!other.definition() || other.masked) return "missing or masked: " + other.name;
        if (!need.ordered) {
            const bool rests = other.reset && !(within_call && other.lifted);
            // It may lose its gate, and be asked down for that, only later within this call.
            const bool gated = within_call && other.gate_took;
            if (other.state == State::failed || rests ||
                (!states_only && !gated && other.asked == Asked::down)) {
                return "failed or asked down: " + other.name;
            }
            continue;
        }
        if (!is_up(other.state) && (need.must_be_up || other.state != State::done)) {
            return "not up: " + other.name;
        }
        if (!states_only && must_go(engine, need.to, true)) return "must go: " + other.name;
    }
    for (const auto first : node.before) {
        if (!states_only && !settled(engine, first)) return "not settled: " + nodes[first].name;
    }
    for (const auto* ordered : {&node.before, &node.after}) {
        for (const auto other : *ordered) {
            const auto state = nodes[other].state;
            if (state == State::stopping || state == State::killing) {
                return "still going: " + nodes[other].name;
            }
        }
    }
    for (const auto other : node.conflicts) {
        if (other != index && is_running(nodes[other].state)) {
            return "conflicts: " + nodes[other].name;
        }
    }
    const auto& definition = node.current;
    for (const auto& gate : definition ? definition->predicates->gate : std::vector<Predicate>{}) {
        const Truth truth = holds(gate, nullptr);
        if (truth == Truth::yes) continue;
        return "gate " + units::to_string(gate) +
               (truth == Truth::no ? " is not so" : " is unknown");
    }
    return {};
}

}  // namespace reeve::sim
