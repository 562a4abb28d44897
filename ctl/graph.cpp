#include "ctl/graph.hpp"

#include <algorithm>

#include "ctl/text.hpp"

namespace reeve::ctl {

namespace {

const std::vector<Edge> no_edges;

// Relations that pull or bind come first, mere order last.
int weight(std::string_view relation) {
    constexpr std::string_view order[] = {"requires",   "binds-to",  "requisite",
                                          "wants",      "part-of",   "on-failure",
                                          "on-success", "conflicts", "after"};
    int rank = 0;
    for (const auto known : order) {
        if (known == relation) break;
        ++rank;
    }
    return rank;
}

// Only these are followed: the others say nothing of what must run.
bool is_need(std::string_view relation) {
    return relation == "requires" || relation == "binds-to" || relation == "requisite" ||
           relation == "wants";
}

}  // namespace

void Graph::add(const Value& unit) {
    const std::string name{unit["Name"].text()};
    names_.insert_or_assign(name, name);
    for (const auto& alias : unit["Aliases"].words()) names_.emplace(alias, name);
    auto& edges = raw_[name];
    for (const Value& link : unit["Links"].items()) {
        edges.push_back(
            {std::string{link.at(0).text()}, std::string{link.at(1).text()}, link.at(2).boolean()});
    }
}

void Graph::finish() {
    const auto link = [&](const std::string& from, Edge edge) {
        needed_by_[edge.unit].push_back({edge.relation, from, edge.ordered});
        needs_[from].push_back(std::move(edge));
    };
    for (const auto& [unit, edges] : raw_) {
        for (const Edge& edge : edges) {
            const std::string other = name_of(edge.unit);
            if (edge.relation == "wanted-by") {
                link(other, {"wants", unit, edge.ordered});
            } else if (edge.relation == "required-by") {
                link(other, {"requires", unit, edge.ordered});
            } else if (edge.relation == "before") {
                link(other, {"after", unit, true});
            } else {
                link(unit, {edge.relation, other, edge.ordered});
            }
        }
    }
    for (Edges* all : {&needs_, &needed_by_}) {
        for (auto& [unit, edges] : *all) {
            std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
                return std::pair{weight(a.relation), std::string_view{a.unit}} <
                       std::pair{weight(b.relation), std::string_view{b.unit}};
            });
        }
    }
    raw_.clear();
}

bool Graph::knows(std::string_view name) const {
    return names_.find(name) != names_.end();
}

const std::string* Graph::unusable(std::string_view name) const {
    const auto found = unusable_.find(name);
    return found != unusable_.end() ? &found->second : nullptr;
}

std::string Graph::name_of(std::string_view name_or_alias) const {
    const auto found = names_.find(name_or_alias);
    return found != names_.end() ? found->second : std::string{name_or_alias};
}

const std::vector<Edge>& Graph::needs(std::string_view unit) const {
    const auto found = needs_.find(unit);
    return found != needs_.end() ? found->second : no_edges;
}

const std::vector<Edge>& Graph::needed_by(std::string_view unit) const {
    const auto found = needed_by_.find(unit);
    return found != needed_by_.end() ? found->second : no_edges;
}

void Graph::grow(std::string& out, const std::string& unit, bool forward, const std::string& indent,
                 std::vector<std::string>& shown) const {
    shown.push_back(unit);
    const auto& edges = forward ? needs(unit) : needed_by(unit);
    for (std::size_t i = 0; i < edges.size(); ++i) {
        const Edge& edge = edges[i];
        const bool last = i + 1 == edges.size();
        const bool followed =
            is_need(edge.relation) && !(forward ? needs(edge.unit) : needed_by(edge.unit)).empty();
        const bool again =
            followed && std::find(shown.begin(), shown.end(), edge.unit) != shown.end();
        const std::string* const why = unusable(edge.unit);
        const std::string missing =
            knows(edge.unit) ? "" : " (" + (why != nullptr ? *why : "missing") + ")";
        out += indent + (last ? "└─ " : "├─ ") + edge.relation + (forward ? " " : " of ") +
               printable(edge.unit) + (edge.ordered ? "" : " (no order)") + missing +
               (again ? " (as above)" : "") + "\n";
        if (followed && !again) {
            grow(out, edge.unit, forward, indent + (last ? "   " : "│  "), shown);
        }
    }
}

std::string Graph::tree(const std::string& unit, bool forward) const {
    std::string out;
    std::vector<std::string> shown;
    grow(out, unit, forward, "", shown);
    return out;
}

Value Graph::grow_json(const std::string& unit, bool forward,
                       std::vector<std::string>& shown) const {
    shown.push_back(unit);
    Value list = Value::list();
    for (const Edge& edge : forward ? needs(unit) : needed_by(unit)) {
        Value item;
        item.set("relation", edge.relation)
            .set("unit", edge.unit)
            .set("ordered", edge.ordered)
            .set("missing", !knows(edge.unit));
        const bool again = std::find(shown.begin(), shown.end(), edge.unit) != shown.end();
        item.set(forward ? "needs" : "needed_by", is_need(edge.relation) && !again
                                                      ? grow_json(edge.unit, forward, shown)
                                                      : Value::list());
        list.add(std::move(item));
    }
    return list;
}

Value Graph::json(const std::string& unit, bool forward) const {
    std::vector<std::string> shown;
    return grow_json(unit, forward, shown);
}

}  // namespace reeve::ctl
