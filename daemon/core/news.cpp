// What the shell tells: about processes to the unit's machine, the rest to whom it concerns.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

template <class News>
void World::pass_on(UnitId id, const News& news) {
    Unit* unit = graph.find(id);
    if (unit == nullptr || unit->file() == nullptr || !unit->file()->service) return;
    drive(*unit, [&](Turn turn) { unit->machine.on(news, turn); });
}

void World::on(const Spawned& news) {
    pass_on(news.process.unit, news);
}
void World::on(const SpawnFailed& news) {
    pass_on(news.process.unit, news);
}
void World::on(const Exited& news) {
    pass_on(news.process.unit, news);
}
void World::on(const MainFound& news) {
    pass_on(news.unit, news);
}
void World::on(const MainMissing& news) {
    pass_on(news.unit, news);
}
void World::on(const MainExited& news) {
    pass_on(news.unit, news);
}
void World::on(const Notified& news) {
    pass_on(news.unit, news);
}

void World::on(const Emptied& news) {
    pass_on(news.unit, news);
    Unit* unit = graph.find(news.unit);
    if (unit == nullptr || unit->runs() || unit->machine.left_over()) return;
    // What kill-mode process or none had left is gone as well, and with it the lease.
    if (unit->leases == Leases::held && unit->state() != State::waiting) return_leases(*unit);
}

void World::gates_changed(const UnitsByName& watchers) {
    for (Unit* unit : watchers) {
        rederive_going(*unit);
        touch(*unit);
    }
}

void World::on(const PathChanged& news) {
    Fact* fact = facts.path(news.path);
    if (fact == nullptr || std::ranges::none_of(fact->watchers, &Unit::watched)) return;
    fact->truth = news.exists ? Truth::yes : Truth::no;
    gates_changed(fact->watchers);
}

void World::on(const DeviceChanged& news) {
    Fact& fact = facts.device(news.device);
    fact.truth = news.ready ? Truth::yes : Truth::no;
    gates_changed(fact.watchers);
    if (!news.ready) return;
    const UnitsByName refused = refused_;
    for (Unit* unit : refused) {  // they ask again: what they wait for is there now
        const auto& leases = unit->file()->leases;
        if (std::ranges::find(leases, news.device, &units::Lease::device) == leases.end()) continue;
        return_leases(*unit);
        touch(*unit);
    }
}

// The answer is judged only if what came before the tests still holds.
void World::on(const PredicatesTested& news) {
    Unit* unit = graph.find(news.unit);
    if (unit == nullptr) return;
    if (unit->lost_tests > 0) {
        --unit->lost_tests;
        return;
    }
    if (unit->tests != Tests::asked) return;
    std::vector<std::string> existing = news.existing_paths;
    std::ranges::sort(existing);
    judge_tests(*unit, &existing);
}

void World::on(const LeasesGranted& news) {
    Unit* unit = graph.find(news.unit);
    if (unit == nullptr || unit->leases != Leases::asked) return;
    unit->leases = Leases::held;
    touch(*unit);
}

void World::on(const LeasesRefused& news) {
    Unit* unit = graph.find(news.unit);
    if (unit == nullptr || unit->leases != Leases::asked) return;
    unit->leases = Leases::refused;
    refused_.insert(unit);
    touch(*unit);
}

void World::on(const Hindered& news) {
    Unit* unit = graph.find(news.unit);
    if (unit == nullptr) return;
    unit->edit().hindered = news.why;
    touch(*unit);
}

}  // namespace reeve::core
