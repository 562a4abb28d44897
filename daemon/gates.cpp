#include "daemon/gates.hpp"

#include <memory>

#include "units/archive.hpp"

namespace reeve {

namespace {

// Calls `visit` for each path that the predicates name, however deep.
template <class Visit>
void each_path(const std::vector<units::Predicate>& predicates, Visit&& visit) {
    std::vector<const units::Predicate*> open;
    for (const auto& predicate : predicates) open.push_back(&predicate);
    while (!open.empty()) {
        const units::Predicate& predicate = *open.back();
        open.pop_back();
        if (predicate.kind == units::Predicate::Kind::path) visit(predicate.argument);
        for (const auto& part : predicate.parts) open.push_back(&part);
    }
}

hal::HolderId holder_of(core::UnitId unit) {
    return hal::HolderId{static_cast<std::uint64_t>(unit)};
}

core::UnitId unit_of(hal::HolderId holder) {
    return core::UnitId{static_cast<std::uint32_t>(holder)};
}

}  // namespace

Gates::Gates(os::Loop& loop, os::Worker& worker, Tell tell)
    : worker_{worker},
      tell_{std::move(tell)},
      paths_{loop, [this](const std::string& path, bool exists) {
                 tell_.event(core::PathChanged{path, exists});
             }} {}

void Gates::watch(core::UnitId unit, units::UnitPtr definition) {
    unwatch(unit);
    if (!still_)
        each_path(definition->predicates->gate, [&](const std::string& path) { paths_.add(path); });
    watched_[unit] = std::move(definition);
}

void Gates::unwatch(core::UnitId unit) {
    const auto it = watched_.find(unit);
    if (it == watched_.end()) return;
    const auto& gate = it->second->predicates->gate;
    if (!still_) each_path(gate, [&](const std::string& path) { paths_.remove(path); });
    watched_.erase(it);
}

void Gates::test(core::UnitId unit, const units::UnitPtr& definition) {
    Test& test = tests_[unit];
    test.definition = definition;
    ++test.unanswered;
    if (!still_) submit_test(unit, definition);
}

void Gates::tested(core::UnitId unit) {
    const auto it = tests_.find(unit);
    if (it != tests_.end() && --it->second.unanswered == 0) tests_.erase(it);
}

void Gates::submit_test(core::UnitId unit, const units::UnitPtr& definition) {
    auto existing = std::make_shared<std::vector<std::string>>();
    worker_.submit(
        [existing, definition] {
            const auto look = [&](const std::string& path) {
                if (os::PathWatch::exists(path)) existing->push_back(path);
            };
            each_path(definition->predicates->condition, look);
            each_path(definition->predicates->assertion, look);
        },
        [this, existing, unit] {
            tell_.event(core::PredicatesTested{unit, std::move(*existing)});
        });
}

void Gates::set_devices(const std::map<std::string, std::uint32_t>& capacities) {
    std::vector<std::string> names;
    for (const auto& [name, capacity] : devices_)
        if (!capacities.contains(name)) {
            if (!still_) tell_.event(core::DeviceChanged{name, false});
            names.push_back(name);
        }
    for (const auto& [name, capacity] : capacities) {
        if (!still_) tell_.event(core::DeviceChanged{name, true});
        names.push_back(name);
    }
    devices_ = capacities;
    tell(scheduler_.set_devices(capacities));
    if (!names.empty() && !still_) tell_.devices_changed(names);
}

void Gates::ask_leases(core::UnitId unit, const units::UnitFile& definition) {
    std::vector<std::string> names;
    for (const auto& lease : definition.leases) names.push_back(lease.device);
    leased_[unit] = names;
    tell(scheduler_.ask(holder_of(unit), names));
    if (!still_) tell_.devices_changed(names);
}

void Gates::return_leases(core::UnitId unit) {
    const auto it = leased_.find(unit);
    if (it == leased_.end()) return;
    const std::vector<std::string> names = std::move(it->second);
    leased_.erase(it);
    tell(scheduler_.give_back(holder_of(unit)));
    if (!still_) tell_.devices_changed(names);
}

bool Gates::holds(core::UnitId unit) const {
    return scheduler_.holds(holder_of(unit));
}

// While it stands still the news of this is on record already.
void Gates::tell(const hal::Outcome& outcome) {
    if (still_) {
        for (const auto& [holder, device] : outcome.refused) leased_.erase(unit_of(holder));
        return;
    }
    for (const hal::HolderId holder : outcome.granted) {
        tell_.event(core::LeasesGranted{unit_of(holder)});
        const auto it = leased_.find(unit_of(holder));
        if (it != leased_.end()) tell_.devices_changed(it->second);
    }
    for (const auto& [holder, device] : outcome.refused) {
        leased_.erase(unit_of(holder));
        tell_.event(core::LeasesRefused{unit_of(holder), "device " + device + " does not exist"});
    }
}

// ── of a manager that takes over ───────────────────────────────────────────────────────────────

void Gates::resume() {
    still_ = false;
    for (const auto& [unit, definition] : watched_)
        each_path(definition->predicates->gate, [&](const std::string& path) { paths_.add(path); });
    for (const auto& [unit, test] : tests_)
        for (unsigned i = 0; i < test.unanswered; ++i) submit_test(unit, test.definition);
}

std::string Gates::save() const {
    archive::Writer out;
    out(scheduler_.save(), watched_.size());
    for (const auto& [unit, definition] : watched_) out(unit);
    out(tests_.size());
    for (const auto& [unit, test] : tests_) out(unit, test.unanswered);
    out(leased_.size());
    for (const auto& [unit, names] : leased_) out(unit, names);
    out(devices_.size());
    for (const auto& [name, capacity] : devices_) out(name, capacity);
    return out.finish();
}

void Gates::load(std::string_view saved, const core::Engine& engine) {
    archive::Reader in{saved};
    scheduler_ = hal::Scheduler::load(in.read<std::string>());
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto unit = in.read<core::UnitId>();
        if (auto definition = engine.view(unit).definition) watched_[unit] = std::move(definition);
    }
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto unit = in.read<core::UnitId>();
        const auto unanswered = in.read<unsigned>();
        if (auto definition = engine.view(unit).definition)
            tests_[unit] = {std::move(definition), unanswered};
    }
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        const auto unit = in.read<core::UnitId>();
        leased_[unit] = in.read<std::vector<std::string>>();
    }
    for (auto count = in.read<std::size_t>(); count > 0; --count) {
        auto name = in.read<std::string>();
        devices_[std::move(name)] = in.read<std::uint32_t>();
    }
    in.finish();
}

}  // namespace reeve
