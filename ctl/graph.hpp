// Who names whom: relations between units, looked at from both ends. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/value.hpp"

namespace reeve::ctl {

struct Edge {
    std::string relation;  // "requires", "after" … as seen from the unit that has it
    std::string unit;
    bool ordered = true;
};

class Graph {
public:
    // `unit`: Name, Aliases and Links as Manager.Describe tells them.
    void add(const Value& unit);
    // A name whose unit cannot start, and why: "masked", "its file has problems".
    void add_unusable(const std::string& name, std::string why) {
        unusable_[name] = std::move(why);
    }
    // Replaces aliases, turns wanted-by and required-by into the other unit's wants and requires,
    // and before into the other's after. Call once, after the last add().
    void finish();

    [[nodiscard]] bool knows(std::string_view name) const;
    // Why the unit of this name cannot start; nullptr: it is good, or not there.
    [[nodiscard]] const std::string* unusable(std::string_view name) const;
    [[nodiscard]] std::string name_of(std::string_view name_or_alias) const;
    [[nodiscard]] const std::vector<Edge>& needs(std::string_view unit) const;
    [[nodiscard]] const std::vector<Edge>& needed_by(std::string_view unit) const;

    // As lines with branches; what was shown above is not shown again. `forward`: what it needs.
    [[nodiscard]] std::string tree(const std::string& unit, bool forward) const;
    [[nodiscard]] Value json(const std::string& unit, bool forward) const;

private:
    using Edges = std::map<std::string, std::vector<Edge>, std::less<>>;
    void grow(std::string& out, const std::string& unit, bool forward, const std::string& indent,
              std::vector<std::string>& shown) const;
    Value grow_json(const std::string& unit, bool forward, std::vector<std::string>& shown) const;

    std::map<std::string, std::string, std::less<>> names_;     // name or alias → name
    std::map<std::string, std::string, std::less<>> unusable_;  // name → why
    Edges raw_;
    Edges needs_;
    Edges needed_by_;
};

}  // namespace reeve::ctl
