#include "tests/core/support/sim_set.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace reeve::sim {

using namespace std::chrono_literals;
using units::Command;
using units::Kind;
using units::Phase;
using units::Predicate;
using units::Relation;
using units::Type;
using units::UnitFile;

namespace {

constexpr std::uint32_t spare = 8;  // slots that are absent at first

// One definition, from its own seed: the same seed gives the same meaning at another address.
class Maker {
public:
    Maker(std::uint64_t seed, std::uint32_t index, const std::vector<bool>& target, bool crowded)
        : random_{seed}, index_{index}, target_{target}, crowded_{crowded} {}

    units::UnitPtr make() {
        const auto size = static_cast<std::uint32_t>(target_.size());
        unit_->name = unit_name(index_, size);
        if (index_ + 1 == size) return boot_target();
        if (index_ + 2 == size) return shutdown_target();
        if (index_ % 7 == 3) unit_->aliases = {"a" + std::to_string(index_)};
        if (target_[index_]) {
            unit_->kind = Kind::target;
        } else {
            unit_->service = std::make_unique<units::Service>(service());
        }
        relations();
        predicates();
        traits();
        return std::move(unit_);
    }

    units::UnitPtr make_transient(std::string name) {
        unit_->name = std::move(name);
        unit_->transient = true;
        unit_->service = std::make_unique<units::Service>(service());
        unit_->service->daemonic = false;
        unit_->service->restart = units::Restart::no;
        leases();
        return std::move(unit_);
    }

private:
    units::UnitPtr boot_target() {
        unit_->kind = Kind::target;
        for (std::uint32_t i = 0; i + 2 < target_.size(); ++i) {
            if (i != 0 && random_.chance(50)) link(Relation::wants, i);
        }
        return std::move(unit_);
    }
    // Wants unit 0, which nothing else names.
    units::UnitPtr shutdown_target() {
        unit_->kind = Kind::target;
        link(Relation::wants, 0);
        return std::move(unit_);
    }

    void link(Relation relation, std::uint32_t other, bool ordered = true) {
        const auto size = static_cast<std::uint32_t>(target_.size());
        const bool alias = other % 7 == 3 && other + 2 < size && random_.one_in(3);
        unit_->links.push_back(
            {relation, ordered, alias ? "a" + std::to_string(other) : unit_name(other, size)});
    }
    std::uint32_t lower() { return 1 + random_.below(index_ - 1); }
    std::uint32_t higher() {
        const auto last = static_cast<std::uint32_t>(target_.size()) - 3;
        return index_ + 1 + random_.below(last - index_);
    }
    bool has_lower() const { return index_ > 1; }
    bool has_higher() const { return index_ + 3 < target_.size(); }
    std::uint32_t other() {
        return has_lower() && (!has_higher() || random_.chance(50)) ? lower() : higher();
    }

    void relations() {
        if (index_ == 0 || (!has_lower() && !has_higher())) return;
        const auto most = crowded_ ? 6U : 3U;
        for (auto left = random_.below(most + 1); left > 0; --left) relation();
        if (random_.one_in(60)) unit_->links.push_back({Relation::wants, true, "missing1"});
        if (random_.one_in(150)) unit_->links.push_back({Relation::requires_, true, "missing2"});
    }

    void relation() {
        static constexpr std::array<Relation, 22> often{
            Relation::after,     Relation::after,      Relation::after,      Relation::before,
            Relation::requires_, Relation::requires_,  Relation::requires_,  Relation::requires_,
            Relation::wants,     Relation::wants,      Relation::wants,      Relation::binds_to,
            Relation::binds_to,  Relation::requisite,  Relation::part_of,    Relation::part_of,
            Relation::conflicts, Relation::on_failure, Relation::on_success, Relation::wanted_by,
            Relation::wanted_by, Relation::required_by};
        const Relation relation = often[random_.below(often.size())];
        switch (relation) {
            case Relation::after:
                if (has_lower()) link(relation, lower());
                break;
            case Relation::requires_:
            case Relation::binds_to:
            case Relation::requisite:
                if (random_.one_in(6)) {
                    link(relation, other(), false);
                } else if (has_lower()) {
                    link(relation, lower());
                }
                break;
            case Relation::before:
            case Relation::required_by:
            case Relation::on_failure:
                if (has_higher()) link(relation, higher());
                break;
            case Relation::on_success:
                // A oneshot would come round for ever: what it starts starts what that requires.
                if (unit_->service && unit_->service->type == Type::oneshot) break;
                if (has_higher()) link(relation, higher());
                break;
            case Relation::wants:
                if (target_[index_]) {
                    if (has_lower()) link(relation, lower());
                } else {
                    link(relation, other());
                }
                break;
            case Relation::wanted_by: {
                const auto by = other();
                link(relation, by);
                // Against the order that the target's want implies: the written one counts.
                if (target_[by] && by < index_) link(Relation::after, by);
                break;
            }
            case Relation::part_of: link(relation, other()); break;
            case Relation::conflicts:
                if (random_.one_in(2)) link(relation, other());
                break;
        }
    }

    // A gate whose loss stops the unit never looks for the absence of a thing: the unit's own going
    // could bring it about, and the set would swing for ever, as written.
    Predicate leaf(bool watched, bool negatable) {
        Predicate predicate;
        predicate.negated = negatable && random_.one_in(4);
        switch (random_.below(watched && index_ > 1 ? 5 : 4)) {
            case 0:
            case 1:
                predicate.kind = Predicate::Kind::event;
                predicate.argument = "e" + std::to_string(random_.below(RandomSet::events));
                break;
            case 2:
                predicate.kind = Predicate::Kind::path;
                predicate.argument = "/p" + std::to_string(random_.below(RandomSet::paths));
                break;
            case 3:
                predicate.kind = Predicate::Kind::device;
                predicate.argument = "d" + std::to_string(random_.below(RandomSet::devices));
                break;
            default:
                predicate.kind = Predicate::Kind::unit;
                predicate.argument = unit_name(lower(), static_cast<std::uint32_t>(target_.size()));
                break;
        }
        return predicate;
    }

    Predicate predicate(bool watched, bool negatable = true) {
        if (!random_.one_in(4)) return leaf(watched, negatable);
        Predicate group;
        group.kind = random_.chance(60) ? Predicate::Kind::any : Predicate::Kind::all;
        group.negated = negatable && random_.one_in(6);
        for (auto left = 1 + random_.below(3); left > 0; --left) {
            group.parts.push_back(leaf(watched, negatable));
        }
        return group;
    }

    void predicates() {
        if (index_ == 0) return;
        if (random_.one_in(6)) {
            auto& gate = unit_->predicates.edit();
            gate.gate_lost = static_cast<units::GateLost>(random_.below(3));
            for (auto left = 1 + random_.below(2); left > 0; --left) {
                gate.gate.push_back(predicate(true, gate.gate_lost == units::GateLost::ignore));
            }
        }
        if (random_.one_in(10)) unit_->predicates.edit().condition.push_back(predicate(false));
        if (random_.one_in(20)) unit_->predicates.edit().assertion.push_back(predicate(false));
    }

    void traits() {
        unit_->stop_when_unneeded = random_.one_in(8);
        unit_->ignore_on_isolate = random_.one_in(8);
        unit_->refuse_manual_start = random_.one_in(25);
        unit_->refuse_manual_stop = random_.one_in(25);
        unit_->enabled = !random_.one_in(12);
        if (random_.one_in(12)) unit_->wait_timeout = random_.between(200ms, 20s);
        const bool short_lived = unit_->service && unit_->service->run_timeout != units::infinity;
        if (short_lived) unit_->refuse_manual_stop = false;  // or it could not be brought to rest
        // Waiting in vain, failing and being asked for again by what requires it: for ever.
        if (unit_->wait_timeout != units::infinity || !unit_->predicates->assertion.empty()) {
            std::erase_if(unit_->links, [](const units::Link& link) {
                return link.relation == Relation::on_failure;
            });
        }
        // Skipped, it is done, and what it then asks for may require it: for ever too.
        if (!unit_->predicates->condition.empty()) {
            std::erase_if(unit_->links, [](const units::Link& link) {
                return link.relation == Relation::on_success;
            });
        }
        // A unit without a gate: who sets what another waits for never waits for that itself.
        if (unit_->predicates->gate.empty() && random_.one_in(6)) {
            unit_->sets.push_back("e" + std::to_string(random_.below(RandomSet::events)));
        }
        if (index_ != 0 && unit_->service) leases();
    }

    void leases() {
        if (!random_.one_in(5)) return;
        for (auto left = 1 + random_.below(2); left > 0; --left) {
            unit_->leases.push_back({"d" + std::to_string(random_.below(RandomSet::devices))});
        }
    }

    void command(units::Service& service, Phase phase) {
        Command command;
        command.phase = phase;
        command.ignore_failure = random_.one_in(5);
        command.argv = {"/bin/" + std::string{units::to_string(phase)}};
        service.commands.push_back(std::move(command));
    }

    units::Service service() {
        static constexpr std::array<Type, 9> types{Type::simple,  Type::simple,  Type::exec,
                                                   Type::notify,  Type::notify,  Type::forking,
                                                   Type::oneshot, Type::oneshot, Type::idle};
        units::Service s;
        s.type = index_ == 0 ? Type::oneshot : types[random_.below(types.size())];
        const bool oneshot = s.type == Type::oneshot;
        for (auto left = random_.one_in(5) ? 1 + random_.below(2) : 0; left > 0; --left) {
            command(s, Phase::start_pre);
        }
        for (auto left = oneshot ? 1 + random_.below(3) : 1; left > 0; --left) {
            command(s, Phase::main);
        }
        if (random_.one_in(10)) command(s, Phase::start_post);
        if (random_.one_in(3)) command(s, Phase::reload);
        if (random_.one_in(10)) command(s, Phase::stop);
        if (random_.one_in(10)) command(s, Phase::stop_post);

        s.daemonic = oneshot ? random_.one_in(6) : !random_.one_in(6);
        s.remain_after_exit = oneshot && random_.chance(40);
        // A oneshot that is started again for having succeeded would never come to rest.
        s.restart = oneshot ? (random_.one_in(3) ? units::Restart::on_failure : units::Restart::no)
                            : static_cast<units::Restart>(random_.below(7));
        if (!oneshot && random_.chance(50)) s.restart = units::Restart::on_failure;
        if (random_.one_in(5)) s.kill_mode = static_cast<units::KillMode>(random_.below(4));
        if (random_.one_in(10)) s.kill_signal = 2;
        times(s, oneshot);
        if (random_.one_in(10)) s.exits.edit().success.codes.push_back(3);
        if (random_.one_in(15)) s.exits.edit().restart_prevent.codes.push_back(1);
        if (random_.one_in(15)) s.exits.edit().restart_force.codes.push_back(0);
        if (oneshot) s.exits.edit().restart_force.codes.clear();
        return s;
    }

    void times(units::Service& s, bool oneshot) {
        s.start_timeout =
            oneshot && random_.chance(60) ? units::infinity : random_.between(500ms, 20s);
        s.stop_timeout = random_.between(200ms, 5s);
        if (random_.one_in(15)) s.run_timeout = random_.between(1s, 30s);
        if (s.type == Type::notify && random_.one_in(4)) s.watchdog = random_.between(1s, 4s);
        if (random_.chance(60)) {
            auto& backoff = s.backoff.edit();
            backoff.first = random_.between(10ms, 500ms);
            backoff.factor = 1.0 + 0.5 * random_.below(5);
            backoff.max = random_.between(500ms, 10s);
            backoff.reset_after = random_.between(2s, 30s);
        }
        if (!random_.one_in(4)) return;
        auto& limit = s.limit.edit();
        limit.starts = 1 + random_.below(5);
        limit.within = random_.between(1s, 60s);
        escalation(limit);
    }

    void escalation(units::Limit& limit) {
        switch (random_.below(12)) {
            case 0:
            case 1:
                limit.then = units::Limit::Then::event;
                limit.argument = "e" + std::to_string(random_.below(RandomSet::events));
                break;
            case 2:
            case 3:
                if (!has_higher() || index_ == 0) break;
                limit.then = units::Limit::Then::start;
                limit.argument = unit_name(higher(), static_cast<std::uint32_t>(target_.size()));
                break;
            case 4:
                if (random_.one_in(8)) limit.then = units::Limit::Then::reboot;
                break;
            case 5:
                if (random_.one_in(8)) limit.then = units::Limit::Then::stop;
                break;
            default: break;
        }
    }

    Random random_;
    std::uint32_t index_;
    const std::vector<bool>& target_;
    bool crowded_;
    std::unique_ptr<UnitFile> unit_ = std::make_unique<UnitFile>();
};

}  // namespace

std::string unit_name(std::uint32_t index, std::uint32_t size) {
    if (index + 1 == size) return "default.target";
    if (index + 2 == size) return "shutdown";
    return "u" + std::to_string(index);
}

RandomSet::RandomSet(Random& random, std::uint32_t size)
    : random_{random}, slots_(size + spare + 2), crowded_{random.one_in(3)} {
    for (std::size_t i = 0; i < slots_.size(); ++i) target_.push_back(i != 0 && random.one_in(7));
    target_.end()[-1] = target_.end()[-2] = true;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        slots_[i].seed = random.next();
        if (i < size || i + 2 >= slots_.size()) define(i);
    }
}

void RandomSet::define(std::uint32_t index) {
    slots_[index].unit = make(index);
}

units::UnitPtr RandomSet::make(std::uint32_t index) const {
    return Maker{slots_[index].seed, index, target_, crowded_}.make();
}

std::vector<units::UnitPtr> RandomSet::units() const {
    std::vector<units::UnitPtr> present;
    for (const auto& slot : slots_) {
        if (slot.unit) present.push_back(slot.unit);
    }
    return present;
}

std::vector<std::string> RandomSet::change() {
    std::vector<std::string> different;
    const auto last = static_cast<std::uint32_t>(slots_.size()) - 2;
    for (std::uint32_t i = 1; i < last; ++i) {
        auto& slot = slots_[i];
        switch (random_.below(24)) {
            case 0: slot.unit = nullptr; break;
            case 1:
            case 2:
                slot.seed = random_.next();
                define(i);
                different.push_back(slot.unit->name);
                break;
            case 3: define(i); break;  // the same meaning at another address
            default: break;
        }
    }
    masked_.clear();
    for (auto left = random_.below(3); left > 0; --left) {
        masked_.push_back(unit_name(1 + random_.below(last - 1), last + 2));
    }
    return different;
}

units::UnitPtr RandomSet::add() {
    const auto start = random_.below(slots_.size());
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        const auto index = static_cast<std::uint32_t>((start + i) % slots_.size());
        if (slots_[index].unit) continue;
        define(index);
        return slots_[index].unit;
    }
    return nullptr;
}

units::UnitPtr RandomSet::transient() {
    return Maker{random_.next(), 1, target_, crowded_}.make_transient(
        "r" + std::to_string(transients_++));
}

std::string RandomSet::any_name() {
    if (random_.one_in(40)) return "nobody";
    // Of small numbers a bit more: they have more dependents.
    const auto size = static_cast<std::uint32_t>(slots_.size());
    if (transients_ > 0 && random_.one_in(15))
        return "r" + std::to_string(random_.below(transients_));
    const auto index = 1 + random_.below(size - 3);
    if (index % 7 == 3 && random_.one_in(3)) return "a" + std::to_string(index);
    return unit_name(index, size);
}

std::string RandomSet::event_name() const {
    return "e" + std::to_string(random_.below(events));
}
std::string RandomSet::path_name() const {
    return "/p" + std::to_string(random_.below(paths));
}

}  // namespace reeve::sim
