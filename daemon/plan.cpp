#include "daemon/plan.hpp"

#include <algorithm>
#include <set>

#include "daemon/json.hpp"

namespace reeve {

namespace {

template <class List, class Write>
std::string array_of(const List& list, const Write& write) {
    std::string out = "[";
    for (const auto& item : list) out.append(out.size() > 1 ? "," : "").append(write(item));
    return out + "]";
}

std::string key_json(const units::KeyChange& key) {
    JsonObject out;
    out.add("key", key.key);
    if (!key.was.empty()) out.add("was", key.was);
    if (!key.is.empty()) out.add("is", key.is);
    return out.str();
}

std::string changed_json(const Plan::Changed& changed) {
    return JsonObject{}
        .add("unit", changed.unit)
        .add_raw("keys", array_of(changed.keys, key_json))
        .str();
}

std::string refused_json(const Plan::Refused& refused) {
    return JsonObject{}.add("unit", refused.unit).add("problems", refused.problems).str();
}

bool same(const units::UnitPtr& a, const units::UnitPtr& b) {
    return a == b || (a && b && same_definition(*a, *b));
}

// Of those that run with an older definition, whom the options name.
void choose_restarts(const core::Engine& engine, const bus::ApplyOptions& options, Plan& plan) {
    std::set<std::string, std::less<>> asked;
    for (const std::string& name : options.restart) {
        const auto id = engine.find(name);
        const std::string real{id ? engine.name(*id) : std::string_view{name}};
        if (std::ranges::find(plan.stale, real) != plan.stale.end())
            asked.insert(real);
        else
            plan.failed =
                "comparing: cannot restart " + name + ": " +
                (id ? "it does not run with another definition" : "there is no such unit");
    }
    const auto goes = [&](const std::string& name) {
        return options.restart_changed || asked.contains(name);
    };
    std::ranges::copy_if(plan.stale, std::back_inserter(plan.restarted), goes);
    std::erase_if(plan.stale, goes);
}

}  // namespace

std::string to_json(const Plan& plan) {
    std::vector<std::string> problems;
    for (const auto& problem : plan.problems) problems.push_back(to_string(problem));
    JsonObject out;
    out.add("ok", !plan.is_refused());
    if (!plan.failed.empty()) out.add("failed", plan.failed);
    return out.add_raw("refused", array_of(plan.refused, refused_json))
        .add("problems", problems)
        .add("added", plan.added)
        .add("removed", plan.removed)
        .add_raw("changed", array_of(plan.changed, changed_json))
        .add("restarted", plan.restarted)
        .add("stale", plan.stale)
        .add("masked", plan.masked)
        .add("unchanged", plan.unchanged)
        .add("rolled_back", plan.rolled_back)
        .str();
}

void compare(const core::Engine& engine, const bus::ApplyOptions& options, core::ApplySet& next,
             Plan& plan) {
    plan.masked = next.masked;
    std::set<std::string_view> names;
    for (const auto& unit : next.units) {
        names.insert(unit->name);
        const auto id = engine.find(unit->name);
        const auto had = id ? engine.current_definition(*id) : nullptr;
        if (!had) {
            plan.added.push_back(unit->name);
        } else if (same(had, unit)) {
            ++plan.unchanged;
        } else {
            plan.changed.push_back({unit->name, units::changed_keys(*had, *unit)});
        }
        if (id && engine.runs(*id) && !same(engine.definition_of_run(*id), unit))
            plan.stale.push_back(unit->name);
    }
    for (const Plan::Refused& refused : plan.refused) names.insert(refused.unit);
    for (const core::UnitId id : engine.all()) {
        const auto had = engine.current_definition(id);
        if (had && !had->transient && !names.contains(had->name)) plan.removed.push_back(had->name);
    }
    choose_restarts(engine, options, plan);
    next.restart = plan.restarted;
}

}  // namespace reeve
