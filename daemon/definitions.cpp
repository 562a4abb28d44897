#include "daemon/definitions.hpp"

#include <algorithm>

#include "daemon/json.hpp"
#include "hal/posix/log.hpp"
#include "units/names.hpp"

namespace reeve {

std::string to_json(const Plan& plan) {
    std::vector<std::string> problems;
    for (const auto& problem : plan.problems) problems.push_back(to_string(problem));
    return JsonObject{}
        .add("ok", !plan.refused())
        .add("problems", problems)
        .add("added", plan.added)
        .add("removed", plan.removed)
        .add("changed", plan.changed)
        .add("masked", plan.masked)
        .add("stale", plan.stale)
        .str();
}

namespace {

std::map<std::string, std::vector<std::string>, std::less<>> bad_files(const units::UnitSet& set) {
    std::map<std::string, std::vector<std::string>, std::less<>> out;
    for (const auto& [name, problems] : set.bad) {
        std::vector<std::string>& told = out[name];
        for (const auto& problem : problems)
            if (problem.severity == units::Severity::error) told.push_back(to_string(problem));
        if (told.empty()) told.emplace_back("its file has problems");
    }
    return out;
}

}  // namespace

Definitions::Definitions(units::LoadOptions options, Worker& worker)
    : options_{std::move(options)}, worker_{worker} {}

std::string Definitions::problem_of(std::string_view name) const {
    for (const std::string_view suffix : {"", ".target"}) {
        if (!name.ends_with(suffix)) continue;
        const auto found = bad_.find(name.substr(0, name.size() - suffix.size()));
        if (found != bad_.end()) return found->second.front();
    }
    return {};
}

core::ApplySet Definitions::to_apply(units::UnitSet& set) {
    core::ApplySet event;
    event.units.reserve(set.units.size());
    for (auto& [name, unit] : set.units) event.units.push_back(unit);
    for (const auto& [name, file] : set.masked) event.masked.push_back(name);
    for (auto& [name, problems] : bad_files(set))
        if (units::is_unit_name(name)) event.bad.emplace(name, std::move(problems));
    return event;
}

core::ApplySet Definitions::load_first() {
    units::UnitSet set = units::load(options_);
    bad_ = bad_files(set);
    problems_ = std::move(set.problems);
    for (const auto& problem : problems_) {
        if (problem.severity == units::Severity::error)
            log::error("{}", to_string(problem));
        else
            log::warn("{}", to_string(problem));
    }
    return to_apply(set);
}

void Definitions::read(const core::Engine& engine, Done done) {
    auto set = std::make_shared<units::UnitSet>();
    worker_.submit(
        [set, options = options_, instances = instances_] {
            *set = units::load(options);
            for (const auto& name : instances)
                if (!set->find(name)) units::load_instance(*set, options, name);
        },
        [this, set, &engine, before = instances_, done = std::move(done)]() mutable {
            if (before != instances_) return read(engine, std::move(done));  // one more was made
            core::ApplySet event = to_apply(*set);
            Plan plan = compare(engine, *set, event);
            pending_bad_ = bad_files(*set);
            done(std::move(plan), std::move(event));
        },
        Worker::Chain::definitions);
}

// Refused: a file that is new or was good has a problem now. One that was bad already when the
// running set was taken keeps nobody from going on.
Plan Definitions::compare(const core::Engine& engine, units::UnitSet& set,
                          core::ApplySet& event) const {
    Plan plan;
    plan.problems = set.problems;
    plan.masked = event.masked;
    for (const auto& [name, problems] : set.bad)
        if (!bad_.contains(name)) plan.refusing.push_back(name);
    for (auto& unit : event.units) {
        const auto id = engine.find(unit->name);
        const auto old = id ? engine.view(*id) : core::UnitView{};
        if (!id || !old.definition) {
            plan.added.push_back(unit->name);
        } else if (same_definition(*old.definition, *unit)) {
            unit = old.definition;
        } else {
            plan.changed.push_back(unit->name);
            if (is_running(old.state)) plan.stale.push_back(unit->name);
        }
    }
    for (const core::UnitId id : engine.all()) {
        const auto view = engine.view(id);
        if (!view.definition || view.definition->transient) continue;
        if (!set.units.contains(view.definition->name))
            plan.removed.push_back(view.definition->name);
    }
    return plan;
}

void Definitions::taken(const Plan& plan) {
    problems_ = plan.problems;
    bad_ = std::move(pending_bad_);
    pending_bad_.clear();
}

void Definitions::instance(const std::string& name, Made done) {
    auto scratch = std::make_shared<units::UnitSet>();
    auto unit = std::make_shared<units::UnitPtr>();
    worker_.submit([scratch, unit, options = options_,
                    name] { *unit = units::load_instance(*scratch, options, name); },
                   [this, scratch, unit, name, done = std::move(done)] {
                       for (const auto& problem : scratch->problems)
                           log::warn("{}", to_string(problem));
                       std::vector<units::UnitPtr> made;
                       if (*unit) {
                           instances_.insert((*unit)->name);
                           for (const auto& [key, each] : scratch->units) made.push_back(each);
                       }
                       done(*unit ? (*unit)->name : name, made);
                   },
                   Worker::Chain::definitions);
}

}  // namespace reeve
