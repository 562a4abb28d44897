// The part of Definitions for a manager that takes over from a dead one.
#include "daemon/definitions.hpp"
#include "units/unit_archive.hpp"

namespace reeve {

namespace {

using Names = std::vector<std::string>;

// What the engine has is in force; of the set before, what is the same has its name alone.
template <class Set>
Names names_of(const Set& set) {
    return {set.begin(), set.end()};
}

}  // namespace

std::string Definitions::save() const {
    archive::Writer out;
    out(names_of(in_force_.templates), in_force_.of_files, names_of(instances_), has_before_);
    if (!has_before_) return out.finish();
    out(names_of(before_.templates), before_.of_files, before_.units.masked, before_.units.bad);
    out(before_.units.units.size());
    const auto& all = in_force_.units.units;
    const std::set<units::UnitPtr> in_force{all.begin(), all.end()};
    for (const units::UnitPtr& unit : before_.units.units) {
        const bool same = in_force.contains(unit);
        out(same);
        if (same)
            out(unit->name);
        else
            out(unit);
    }
    return out.finish();
}

void Definitions::load(std::string_view saved, const core::Engine& engine) {
    for (const core::UnitId id : engine.all()) {
        const core::UnitView view = engine.view(id);
        const std::string name{engine.name(id)};
        if (view.masked) in_force_.units.masked.push_back(name);
        if (!view.problems.empty()) in_force_.bad[name] = view.problems;
        if (view.definition && !view.definition->transient)
            in_force_.units.units.push_back(view.definition);
    }
    in_force_.units.bad = in_force_.bad;
    archive::Reader in{saved};
    const auto names = [&in] {
        const auto list = in.read<Names>();
        return std::set<std::string, std::less<>>{list.begin(), list.end()};
    };
    in_force_.templates = names();
    in(in_force_.of_files);
    instances_ = names();
    in(has_before_);
    if (!has_before_) return in.finish();
    before_.templates = names();
    in(before_.of_files, before_.units.masked, before_.units.bad);
    before_.bad = before_.units.bad;
    std::map<std::string_view, units::UnitPtr> in_force;
    for (const units::UnitPtr& unit : in_force_.units.units) in_force.emplace(unit->name, unit);
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        units::UnitPtr unit;
        if (in.read<bool>()) {
            const auto found = in_force.find(in.read<std::string>());
            if (found != in_force.end()) unit = found->second;
        } else {
            in(unit);
        }
        if (unit) before_.units.units.push_back(std::move(unit));
    }
    in.finish();
}

bool Definitions::has_before(std::string_view saved) {
    archive::Reader in{saved};
    in.read<Names>();
    in.read<bool>();
    in.read<Names>();
    return in.read<bool>();
}

std::string Definitions::note_of(const Plan& plan, const DefinitionSet& next) const {
    archive::Writer out;
    out(is_change(plan, next), next.of_files, names_of(next.templates), next.bad);
    return out.finish();
}

Definitions::Foretold Definitions::read(std::string_view note) {
    archive::Reader in{note};
    Foretold out;
    in(out.changes, out.of_files);
    const auto templates = in.read<Names>();
    out.templates = {templates.begin(), templates.end()};
    in(out.bad);
    in.finish();
    return out;
}

void Definitions::foretell(std::string_view note) {
    foretold_ = read(note);
}

bool Definitions::changes(std::string_view note) {
    return read(note).changes;
}

// What the other took over or made, and died before it could be seen in a snapshot. Which of the
// instances that it made was asked for, and which that one refers to, is not told: all are kept.
void Definitions::remember(const core::Event& event) {
    if (const auto* set = std::get_if<core::ApplySet>(&event)) return remember(*set);
    const auto* added = std::get_if<core::AddUnit>(&event);
    if (!added) return;
    instances_.insert(added->unit->name);
    keep_in_force({added->unit});
}

void Definitions::remember(const core::ApplySet& set) {
    Foretold how{
        .changes = true, .of_files = true, .templates = in_force_.templates, .bad = set.bad};
    if (foretold_) how = std::move(*std::exchange(foretold_, std::nullopt));
    DefinitionSet next;
    next.units = set;
    next.bad = std::move(how.bad);
    next.templates = std::move(how.templates);
    next.of_files = how.of_files;
    replace(std::move(next), how.changes);
}

}  // namespace reeve
