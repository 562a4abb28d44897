// A yes or no that a unit has by itself or through others that have it: wanted through what pulls
// it, going through what it requires. The least such answer, kept up to date by touch: each holder
// remembers one supporter, so what leans on a lost one is found without a look at the rest, and a
// ring of units never holds itself up.
#pragma once

#include <utility>
#include <vector>

#include "daemon/core/graph.hpp"

namespace reeve::core {

// Rule: slot (index into Unit::support), base(unit): by itself; open(unit): may have it through
// others; supports(edge) as the dependent sees it; dependent(edge) as the supporter sees it.
template <class Rule>
class Derived {
public:
    static bool holds(const Unit& unit) noexcept { return unit.support[Rule::slot] != nullptr; }

    // Brings `unit` and all that follows from it up to date; appends to `changed` every unit whose
    // answer moved (some may have moved back).
    void update(Unit& unit, const Rule& rule, std::vector<Unit*>& changed) {
        if (rule.base(unit)) {
            if (std::exchange(unit.support[Rule::slot], &unit) != &unit)
                spread(unit, rule, changed);
            return;
        }
        if (!holds(unit)) return lean(unit, rule, changed);
        Unit* by = unit.support[Rule::slot];
        if (by != &unit && rule.open(unit) && still_supported(unit, *by, rule)) return;
        lose(unit, rule, changed);
    }

private:
    static bool still_supported(const Unit& unit, const Unit& by, const Rule& rule) {
        for (const Edge& edge : unit.edges)
            if (edge.other == &by && rule.supports(edge)) return true;
        return false;
    }

    // Gets it through another unit, if one offers it.
    void lean(Unit& unit, const Rule& rule, std::vector<Unit*>& changed) {
        if (!rule.open(unit)) return;
        for (const Edge& edge : unit.edges) {
            if (!rule.supports(edge)) continue;
            unit.support[Rule::slot] = edge.other;
            return spread(unit, rule, changed);
        }
    }

    void spread(Unit& from, const Rule& rule, std::vector<Unit*>& changed) {
        std::vector<Unit*> next{&from};
        while (!next.empty()) {
            Unit& unit = *next.back();
            next.pop_back();
            changed.push_back(&unit);
            for (const Edge& edge : unit.edges) {
                if (!Rule::dependent(edge) || holds(*edge.other)) continue;
                if (!rule.open(*edge.other) || !rule.spreads(unit, edge)) continue;
                edge.other->support[Rule::slot] = &unit;
                next.push_back(edge.other);
            }
        }
    }

    // Takes it from all that lean on `unit`, then gives it back to those with another support.
    void lose(Unit& unit, const Rule& rule, std::vector<Unit*>& changed) {
        std::vector<Unit*> lost{&unit};
        unit.support[Rule::slot] = nullptr;
        for (std::size_t i = 0; i < lost.size(); ++i) {
            changed.push_back(lost[i]);
            for (const Edge& edge : lost[i]->edges) {
                if (!Rule::dependent(edge) || edge.other->support[Rule::slot] != lost[i]) continue;
                edge.other->support[Rule::slot] = nullptr;
                lost.push_back(edge.other);
            }
        }
        for (Unit* each : lost) {
            if (holds(*each)) continue;
            if (rule.base(*each)) {
                each->support[Rule::slot] = each;
                spread(*each, rule, changed);
            } else {
                lean(*each, rule, changed);
            }
        }
    }
};

}  // namespace reeve::core
