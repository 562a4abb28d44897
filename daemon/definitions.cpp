#include "daemon/definitions.hpp"

#include <algorithm>
#include <chrono>

#include "hal/posix/log.hpp"
#include "units/names.hpp"

namespace reeve {

namespace {

DefinitionSet::Bad bad_files(const units::UnitSet& set) {
    DefinitionSet::Bad out;
    for (const auto& [name, problems] : set.bad) {
        std::vector<std::string>& told = out[name];
        for (const auto& problem : problems)
            if (problem.severity == units::Severity::error) told.push_back(to_string(problem));
        if (told.empty()) told.emplace_back("its file has problems");
    }
    for (const std::string& folder : set.unreadable)
        for (const auto& problem : set.problems)
            if (problem.file == folder) out[folder].push_back("reading " + to_string(problem));
    return out;
}

// An instance that nobody asked for since is no difference.
bool differ(const core::ApplySet& old, const core::ApplySet& now) {
    std::map<std::string_view, const units::UnitFile*> left;
    for (const units::UnitPtr& unit : now.units) left.emplace(unit->name, unit.get());
    for (const units::UnitPtr& unit : old.units) {
        const auto found = left.find(unit->name);
        if (found == left.end() && !units::is_instance(unit->name)) return true;
        if (found == left.end()) continue;
        if (!same_definition(*unit, *found->second)) return true;
        left.erase(found);
    }
    const std::set<std::string_view> was{old.masked.begin(), old.masked.end()};
    return !left.empty() || was != std::set<std::string_view>{now.masked.begin(), now.masked.end()};
}

DefinitionSet set_of(units::UnitSet set) {
    DefinitionSet out;
    out.units.units.reserve(set.units.size());
    for (auto& [name, unit] : set.units) out.units.units.push_back(std::move(unit));
    for (const auto& [name, file] : set.masked) out.units.masked.push_back(name);
    out.bad = bad_files(set);
    for (const auto& [name, problems] : out.bad)
        if (units::is_unit_name(name)) out.units.bad.emplace(name, problems);
    for (const auto& [name, file] : set.templates) out.templates.insert(name);
    out.problems = std::move(set.problems);
    return out;
}

std::string reason_of(const std::exception& error) {
    return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ? "out of memory" : error.what();
}

std::int64_t wall_clock() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

// A set on its way from the files, and how far it has come.
struct Definitions::Reading {
    DefinitionSet next;
    std::string failed;
    std::function<void(std::string_view)> probe;
    std::string step;

    void at(const char* what, const std::string& file) {
        step = what;
        if (!file.empty()) step.append(" ").append(file);
        if (probe) probe(step);
    }
    // False when it failed; then `failed` says where.
    template <class Work>
    bool attempt(Work work) {
        if (!failed.empty()) return false;
        try {
            work();
        } catch (const std::exception& e) {
            failed = step + ": " + reason_of(e);
        }
        return failed.empty();
    }
};

Definitions::Definitions(units::LoadOptions options, os::Worker& worker)
    : options_{std::move(options)}, worker_{worker} {}

std::string Definitions::problem_of(std::string_view name) const {
    for (const std::string_view suffix : {"", ".target"}) {
        if (!name.ends_with(suffix)) continue;
        const auto found = in_force_.bad.find(name.substr(0, name.size() - suffix.size()));
        if (found != in_force_.bad.end()) return found->second.front();
    }
    return {};
}

core::ApplySet Definitions::load_first(const std::set<std::string>& living) {
    units::LoadOptions from = options_;
    from.now = wall_clock();
    units::UnitSet found = units::load(from);
    DefinitionSet kept = std::move(in_force_);  // of a manager before, which was in force
    instances_.clear();
    for (const std::string& name : living) {
        const bool is_instance = found.templates.contains(units::template_of(name));
        if (is_instance && (found.find(name) || units::load_instance(found, from, name)))
            instances_.insert(name);
    }
    in_force_ = set_of(std::move(found));
    if (!kept.units.units.empty() && differ(kept.units, in_force_.units)) {
        before_ = std::move(kept);
        has_before_ = true;
    }
    for (const auto& problem : in_force_.problems) {
        if (problem.severity == units::Severity::error)
            log::error("{}", to_string(problem));
        else
            log::warn("{}", to_string(problem));
    }
    return in_force_.units;
}

void Definitions::prepare(const core::Engine& engine, const bus::ApplyOptions& options, Done done) {
    const auto reading = std::make_shared<Reading>();
    reading->probe = probe;
    reading->step = "reading the unit files";
    auto compared = [this, reading, &engine, options, known = instances_,
                     done = std::move(done)]() mutable {
        if (known != instances_ && !options.rollback)  // one more was made
            return prepare(engine, options, std::move(done));
        Plan plan;
        reading->attempt([&] {
            reading->at("comparing", {});
            plan.problems = reading->next.problems;
            if (!options.rollback) add_refused(reading->next, plan);
            compare(engine, options, reading->next.units, plan);
            plan.rolled_back = !in_force_.of_files;
        });
        if (!reading->failed.empty()) plan.failed = std::move(reading->failed);
        done(plan, reading->next);
    };
    if (options.rollback) {
        reading->step = "rolling back";
        if (!has_before_)
            reading->failed =
                "rolling back: there is no earlier set, as no apply has changed anything yet; edit "
                "the "
                "unit files, then `reevectl apply`";
        else
            reading->attempt([&] { reading->next = earlier(); });
        return compared();
    }
    auto read = [reading, from = options_, instances = instances_,
                 before = in_force_.units.units]() mutable {
        reading->attempt([&] {
            from.before = std::move(before);
            from.now = wall_clock();
            from.at = [&](const char* step, const std::string& file) { reading->at(step, file); };
            units::UnitSet set = units::load(from);
            for (const auto& name : instances)
                if (!set.find(name)) units::load_instance(set, from, name);
            reading->next = set_of(std::move(set));
        });
    };
    worker_.submit(read, compared, os::Worker::Chain::definitions);
}

// The set before, with the instances that somebody has asked for since.
DefinitionSet Definitions::earlier() const {
    DefinitionSet next = before_;
    std::set<std::string_view> names;
    for (const auto& unit : before_.units.units) names.insert(unit->name);
    for (const auto& unit : in_force_.units.units)
        if (instances_.contains(unit->name) && !names.contains(unit->name) &&
            next.templates.contains(units::template_of(unit->name)))
            next.units.units.push_back(unit);
    return next;
}

// A file that is new or was good has a problem now. One that was bad already when the set in force
// was taken keeps nobody from going on.
void Definitions::add_refused(const DefinitionSet& next, Plan& plan) const {
    for (const auto& [name, problems] : next.bad)
        if (!in_force_.bad.contains(name)) plan.refused.push_back({name, problems});
}

bool Definitions::is_change(const Plan& plan, const DefinitionSet& next) const noexcept {
    return !plan.added.empty() || !plan.removed.empty() || !plan.changed.empty() ||
           next.units.masked != in_force_.units.masked;
}

void Definitions::taken(const Plan& plan, DefinitionSet&& next) noexcept {
    replace(std::move(next), is_change(plan, next));
}

void Definitions::replace(DefinitionSet&& next, bool changes) noexcept {
    if (changes) {
        before_ = std::move(in_force_);
        has_before_ = true;
        if (next.of_files) before_.of_files = false;  // the files say something else now
    }
    in_force_ = std::move(next);
}

// A set that is gone back to later has the instances of its time.
void Definitions::keep_in_force(const std::vector<units::UnitPtr>& made) {
    auto& all = in_force_.units.units;
    const auto name_of = [](const units::UnitPtr& unit) -> std::string_view { return unit->name; };
    for (const units::UnitPtr& each : made)
        if (std::ranges::find(all, each->name, name_of) == all.end()) all.push_back(each);
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
                           keep_in_force(made);
                       }
                       done(*unit ? (*unit)->name : name, made);
                   },
                   os::Worker::Chain::definitions);
}

}  // namespace reeve
