// The order of all units as a graph, and the loops in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "units/unit_set.hpp"

namespace reeve::units {

// "`from` starts after `to`", and which key of which of the two says so.
struct Edge {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    Relation relation{};
    bool said_by_from = true;
};

class OrderGraph {
public:
    // The set must outlive the graph.
    explicit OrderGraph(const UnitSet& set);

    // Each is one loop, the shortest from its first unit by name, and all units that lie on a loop
    // together with it.
    struct Cycle {
        std::vector<Edge> loop;
        std::vector<std::uint32_t> members;
    };
    [[nodiscard]] std::vector<Cycle> cycles() const;

    [[nodiscard]] const UnitFile& unit(std::uint32_t index) const { return *units_[index]; }
    // "web after db, db wanted-by web"; long loops are cut.
    [[nodiscard]] std::string describe(const std::vector<Edge>& loop) const;

private:
    void add(std::string_view from, std::string_view to, Relation relation, bool said_by_from);
    void add_links(const UnitFile& unit);
    void want(std::string_view wanting, std::string_view wanted, Relation relation,
              bool said_by_wanting);
    void add_of_targets();
    [[nodiscard]] std::uint32_t find(std::string_view name) const;
    [[nodiscard]] std::vector<Edge> shortest_loop(std::uint32_t start,
                                                  const std::vector<std::uint32_t>& group) const;

    const UnitSet& set_;
    std::vector<const UnitFile*> units_;  // by name
    std::unordered_map<std::string_view, std::uint32_t> index_;
    std::vector<std::vector<Edge>> edges_;  // by from
    std::vector<Edge> of_targets_;          // implied by what a target wants
};

}  // namespace reeve::units
