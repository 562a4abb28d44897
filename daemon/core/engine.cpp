#include "daemon/core/engine.hpp"

#include "daemon/core/world.hpp"

namespace reeve::core {

struct Engine::Impl : World {
    using World::World;
};

Engine::Engine(Settings settings) : impl_{std::make_unique<Impl>(std::move(settings))} {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

std::vector<Action> Engine::handle(const Event& event, TimePoint now) {
    const auto* const set = std::get_if<ApplySet>(&event);
    if (set == nullptr) return impl_->handle(event, now);
    if (!impl_->is_changed_by(*set)) {
        impl_->adopt(*set);
        return impl_->handle(TimePassed{}, now);
    }
    // All or nothing: a copy takes the set over, and takes our place when that has come to its end.
    auto copy = std::make_unique<Impl>(impl_->settings);
    copy->load(definitions(), impl_->save());
    auto actions = copy->handle(event, now);
    impl_.swap(copy);
    return actions;
}

std::optional<TimePoint> Engine::next_deadline() const noexcept {
    const TimePoint next = impl_->next_deadline();
    return next == never ? std::nullopt : std::optional{next};
}

std::optional<UnitId> Engine::find(std::string_view name) const {
    const Unit* unit = impl_->graph.find(name);
    return unit != nullptr && is_listed(*unit) ? std::optional{unit->id} : std::nullopt;
}

UnitView Engine::view(UnitId unit) const {
    const Unit* found = impl_->graph.find(unit);
    return found != nullptr ? impl_->view(*found) : UnitView{};
}

std::string_view Engine::name(UnitId unit) const {
    const Unit* found = impl_->graph.find(unit);
    return found != nullptr ? found->name : std::string_view{};
}

units::UnitPtr Engine::current_definition(UnitId unit) const {
    const Unit* found = impl_->graph.find(unit);
    return found != nullptr ? found->definition : nullptr;
}

bool Engine::runs(UnitId unit) const {
    const Unit* found = impl_->graph.find(unit);
    return found != nullptr && found->runs();
}

units::UnitPtr Engine::definition_of_run(UnitId unit) const {
    const Unit* found = impl_->graph.find(unit);
    if (found == nullptr) return nullptr;
    return found->stale() ? found->seldom->of_run : found->definition;
}

std::vector<UnitId> Engine::all() const {
    std::vector<UnitId> ids;
    for (const auto& [name, unit] : impl_->graph.units())
        if (is_listed(*unit)) ids.push_back(unit->id);
    return ids;
}

std::vector<Reason> Engine::why(UnitId unit, TimePoint) const {
    const Unit* found = impl_->graph.find(unit);
    return found != nullptr ? impl_->why(*found, true) : std::vector<Reason>{};
}

std::vector<UnitId> Engine::goes_with(UnitId unit) const {
    std::vector<UnitId> ids;
    if (Unit* found = impl_->graph.find(unit))
        for (const Unit* each : impl_->goes_with(*found)) ids.push_back(each->id);
    return ids;
}

std::vector<EventView> Engine::events() const {
    return impl_->event_views();
}

std::vector<RequestId> Engine::awaited() const {
    std::vector<RequestId> ids;
    for (const auto& [id, pending] : impl_->requests.all()) ids.push_back(id);
    return ids;
}

std::string Engine::save() const {
    return impl_->save();
}

std::vector<units::UnitPtr> Engine::definitions() const {
    std::vector<units::UnitPtr> all;
    for (const auto& [name, unit] : impl_->graph.units()) {
        if (unit->definition) all.push_back(unit->definition);
        if (unit->stale()) all.push_back(unit->seldom->of_run);
    }
    return all;
}

Engine Engine::load(Settings settings, const std::vector<units::UnitPtr>& definitions,
                    std::string_view saved) {
    Engine engine{std::move(settings)};
    engine.impl_->load(definitions, saved);
    return engine;
}

}  // namespace reeve::core
