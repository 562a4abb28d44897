#include "units/graph.hpp"

#include <algorithm>
#include <limits>

namespace reeve::units {

namespace {

constexpr std::uint32_t unseen = std::numeric_limits<std::uint32_t>::max();

// Tarjan's strongly connected components with a stack of its own: how deep units depend on each
// other is up to whoever writes them.
class Components {
public:
    explicit Components(const std::vector<std::vector<Edge>>& edges)
        : edges_{edges},
          order_(edges.size(), unseen),
          low_(edges.size()),
          group_(edges.size(), unseen) {
        for (std::uint32_t node = 0; node < edges.size(); ++node)
            if (order_[node] == unseen) walk(node);
    }

    // Which component a node is in; nodes of one loop share it.
    [[nodiscard]] const std::vector<std::uint32_t>& group() const { return group_; }

private:
    struct Frame {
        std::uint32_t node;
        std::size_t next = 0;
    };

    void enter(std::uint32_t node) {
        order_[node] = low_[node] = count_++;
        open_.push_back(node);
        frames_.push_back({node});
    }

    void walk(std::uint32_t start) {
        enter(start);
        while (!frames_.empty()) {
            Frame& frame = frames_.back();
            const std::uint32_t node = frame.node;
            if (frame.next < edges_[node].size()) {
                const std::uint32_t to = edges_[node][frame.next++].to;
                if (order_[to] == unseen)
                    enter(to);
                else if (group_[to] == unseen)
                    low_[node] = std::min(low_[node], order_[to]);
                continue;
            }
            frames_.pop_back();
            if (!frames_.empty()) {
                const std::uint32_t parent = frames_.back().node;
                low_[parent] = std::min(low_[parent], low_[node]);
            }
            if (low_[node] == order_[node]) close(node);
        }
    }

    void close(std::uint32_t root) {
        std::uint32_t node = unseen;
        while (node != root) {
            node = open_.back();
            open_.pop_back();
            group_[node] = groups_;
        }
        ++groups_;
    }

    const std::vector<std::vector<Edge>>& edges_;
    std::vector<std::uint32_t> order_;
    std::vector<std::uint32_t> low_;
    std::vector<std::uint32_t> group_;
    std::vector<std::uint32_t> open_;
    std::vector<Frame> frames_;
    std::uint32_t count_ = 0;
    std::uint32_t groups_ = 0;
};

}  // namespace

OrderGraph::OrderGraph(const UnitSet& set) : set_{set} {
    units_.reserve(set.units.size());
    index_.reserve(set.units.size());
    for (const auto& [name, unit] : set.units) {
        index_.emplace(name, static_cast<std::uint32_t>(units_.size()));
        units_.push_back(unit.get());
    }
    edges_.resize(units_.size());
    for (const UnitFile* unit : units_) add_links(*unit);
    add_of_targets();
}

// The index of a unit; `unseen`: there is none.
std::uint32_t OrderGraph::find(std::string_view name) const {
    auto found = index_.find(name);
    if (found == index_.end()) {
        const auto alias = set_.aliases.find(name);
        if (alias != set_.aliases.end()) found = index_.find(alias->second);
    }
    return found == index_.end() ? unseen : found->second;
}

void OrderGraph::add(std::string_view from, std::string_view to, Relation relation,
                     bool said_by_from) {
    const std::uint32_t first = find(from);
    const std::uint32_t second = find(to);
    if (first == unseen || second == unseen) return;
    edges_[first].push_back({first, second, relation, said_by_from});
}

// A target comes after what it wants, unless the opposite order is written.
void OrderGraph::add_of_targets() {
    std::erase_if(of_targets_, [&](const Edge& edge) {
        return std::ranges::find(edges_[edge.to], edge.from, &Edge::to) != edges_[edge.to].end();
    });
    for (const Edge& edge : of_targets_) edges_[edge.from].push_back(edge);
}

void OrderGraph::want(std::string_view wanting, std::string_view wanted, Relation relation,
                      bool said_by_wanting) {
    const std::uint32_t from = find(wanting);
    const std::uint32_t to = find(wanted);
    if (from == unseen || to == unseen || units_[from]->kind != Kind::target) return;
    of_targets_.push_back({from, to, relation, said_by_wanting});
}

void OrderGraph::add_links(const UnitFile& unit) {
    for (const Link& link : unit.links) {
        switch (link.relation) {
            case Relation::after: add(unit.name, link.unit, link.relation, true); break;
            case Relation::before: add(link.unit, unit.name, link.relation, false); break;
            case Relation::requires_:
            case Relation::binds_to:
            case Relation::requisite:
                if (link.ordered) add(unit.name, link.unit, link.relation, true);
                break;
            case Relation::wants: want(unit.name, link.unit, link.relation, true); break;
            case Relation::wanted_by:
                if (unit.enabled) want(link.unit, unit.name, link.relation, false);
                break;
            case Relation::required_by:
                if (unit.enabled) add(link.unit, unit.name, link.relation, false);
                break;
            case Relation::part_of:
            case Relation::conflicts:
            case Relation::on_failure:
            case Relation::on_success: break;
        }
    }
}

std::vector<Edge> OrderGraph::shortest_loop(std::uint32_t start,
                                            const std::vector<std::uint32_t>& group) const {
    std::unordered_map<std::uint32_t, Edge> reached_by;
    std::vector<std::uint32_t> queue{start};
    for (std::size_t i = 0; i < queue.size() && !reached_by.contains(start); ++i) {
        for (const Edge& edge : edges_[queue[i]]) {
            if (group[edge.to] != group[start]) continue;
            if (reached_by.emplace(edge.to, edge).second) queue.push_back(edge.to);
        }
    }
    std::vector<Edge> loop;
    std::uint32_t at = start;
    do {
        loop.push_back(reached_by.at(at));
        at = loop.back().from;
    } while (at != start);
    std::ranges::reverse(loop);
    return loop;
}

std::vector<OrderGraph::Cycle> OrderGraph::cycles() const {
    const std::vector<std::uint32_t> group = Components{edges_}.group();
    std::vector<std::vector<std::uint32_t>> members(group.size());
    for (std::uint32_t node = 0; node < group.size(); ++node) members[group[node]].push_back(node);
    std::vector<Cycle> cycles;
    for (auto& nodes : members) {
        if (nodes.empty()) continue;
        const auto itself = [&](const Edge& edge) { return edge.to == nodes.front(); };
        if (nodes.size() == 1 && std::ranges::none_of(edges_[nodes.front()], itself)) continue;
        auto loop = shortest_loop(nodes.front(), group);
        cycles.push_back({std::move(loop), std::move(nodes)});
    }
    std::ranges::sort(cycles, {}, [](const Cycle& cycle) { return cycle.members.front(); });
    return cycles;
}

std::string OrderGraph::describe(const std::vector<Edge>& loop) const {
    constexpr std::size_t most = 12;
    std::string out;
    for (std::size_t i = 0; i < loop.size() && i < most; ++i) {
        const Edge& edge = loop[i];
        const std::uint32_t by = edge.said_by_from ? edge.from : edge.to;
        const std::uint32_t about = edge.said_by_from ? edge.to : edge.from;
        if (i != 0) out += ", ";
        out.append(units_[by]->name).append(" ").append(to_string(edge.relation));
        out.append(" ").append(units_[about]->name);
    }
    if (loop.size() > most) out += ", and " + std::to_string(loop.size() - most) + " more";
    return out;
}

}  // namespace reeve::units
