#include "units/set_checks.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>

#include "units/document.hpp"
#include "units/graph.hpp"
#include "units/names.hpp"
#include "units/near_names.hpp"
#include "units/values.hpp"

namespace reeve::units {

namespace {

bool is_strong(Relation relation) {
    return relation == Relation::requires_ || relation == Relation::binds_to ||
           relation == Relation::requisite;
}

// Looks at every name that a unit mentions.
class References {
public:
    explicit References(const UnitSet& set) : set_{set} {
        for (const auto& [name, unit] : set_.units) {
            setters_.insert(unit->sets.begin(), unit->sets.end());
            if (unit->service && unit->service->limit->then == Limit::Then::event)
                setters_.insert(unit->service->limit->argument);
        }
    }

    std::vector<Finding> run() {
        for (const auto& [name, unit] : set_.units) check(*unit);
        return std::move(findings_);
    }

private:
    void check(const UnitFile& unit) {
        for (const Link& link : unit.links) check_link(unit, link);
        for (const Predicate& predicate : unit.predicates->gate)
            check_predicate(unit, "gate", predicate, true);
        for (const Predicate& predicate : unit.predicates->condition)
            check_predicate(unit, "condition", predicate, false);
        for (const Predicate& predicate : unit.predicates->assertion)
            check_predicate(unit, "assert", predicate, false);
        for (const Lease& lease : unit.leases)
            check_device(unit, "hal", "lease", lease.device, lease.device, true);
        if (unit.service && unit.service->limit->then == Limit::Then::start)
            check_unit(unit, "service", "limit.then", "start " + unit.service->limit->argument,
                       unit.service->limit->argument, false);
    }

    void check_link(const UnitFile& unit, const Link& link) {
        const std::string key{to_string(link.relation)};
        check_unit(unit, "unit", key, link.unit, link.unit, is_strong(link.relation));
        const UnitPtr other = set_.find(link.unit);
        if (!other) return;
        if (link.relation == Relation::conflicts && other->name == unit.name)
            complain(unit, "unit", key, link.unit, "a unit cannot conflict with itself");
        if (other->kind == Kind::device)
            complain(unit, "unit", key, link.unit,
                     in_quotes(link.unit) +
                         " is a device; a unit waits for it with gate = [\"device:" + link.unit +
                         "\"]",
                     is_strong(link.relation) ? Severity::error : Severity::warning);
    }

    void check_predicate(const UnitFile& unit, const std::string& key, const Predicate& predicate,
                         bool needed) {
        const bool must = needed && !predicate.negated;
        const std::string written = to_string(predicate);
        switch (predicate.kind) {
            case Predicate::Kind::event:
                if (must && !setters_.contains(predicate.argument))
                    complain(unit, "unit", key, written,
                             "no unit sets the event " + in_quotes(predicate.argument) +
                                 "; only `reevectl event set` can open this gate",
                             Severity::warning);
                break;
            case Predicate::Kind::unit:
                check_unit(unit, "unit", key, written, predicate.argument, must);
                break;
            case Predicate::Kind::device:
                check_device(unit, "unit", key, written, predicate.argument, must);
                break;
            case Predicate::Kind::path: break;
            case Predicate::Kind::any:
            case Predicate::Kind::all:
                for (const Predicate& part : predicate.parts)
                    check_predicate(unit, key, part, needed);
                break;
        }
    }

    void check_unit(const UnitFile& unit, std::string table, std::string key, std::string value,
                    const std::string& name, bool needed) {
        if (set_.find(name)) return;
        if (is_template(name) && set_.templates.contains(name)) {
            complain(unit, std::move(table), std::move(key), std::move(value),
                     in_quotes(name) + " is a template without default-instance; name an instance");
            return;
        }
        if (set_.masked.contains(name)) {
            if (needed)
                complain(unit, std::move(table), std::move(key), std::move(value),
                         in_quotes(name) + " is masked, so this unit cannot start",
                         Severity::warning);
            return;
        }
        missing(unit, std::move(table), std::move(key), std::move(value), name, needed, "unit");
    }

    void check_device(const UnitFile& unit, std::string table, std::string key, std::string value,
                      const std::string& name, bool needed) {
        const UnitPtr other = set_.find(name);
        if (other && other->kind == Kind::device) return;
        if (other)
            complain(unit, std::move(table), std::move(key), std::move(value),
                     in_quotes(name) + " is a " + std::string{to_string(other->kind)} +
                         ", expected a device",
                     needed ? Severity::error : Severity::warning);
        else
            missing(unit, std::move(table), std::move(key), std::move(value), name, needed,
                    "device");
    }

    void missing(const UnitFile& unit, std::string table, std::string key, std::string value,
                 const std::string& name, bool needed, std::string_view what) {
        if (set_.bad.contains(name)) {
            if (needed)
                complain(unit, std::move(table), std::move(key), std::move(value),
                         in_quotes(name) + " has problems, so this unit cannot start");
            return;
        }
        const std::string_view near = near_names().find(name);
        if (near.empty() && !needed) return;
        std::string text = "there is no " + std::string{what} + " " + in_quotes(name);
        if (!near.empty()) text.append("; did you mean ").append(in_quotes(near)).append("?");
        complain(unit, std::move(table), std::move(key), std::move(value), std::move(text),
                 needed ? Severity::error : Severity::warning);
    }

    void complain(const UnitFile& unit, std::string table, std::string key, std::string value,
                  std::string text, Severity severity = Severity::error) {
        findings_.push_back({severity, unit.name, std::move(table), std::move(key),
                             std::move(value), std::move(text), false});
    }

    // Made when the first name is missing.
    const NearNames& near_names() {
        if (near_) return *near_;
        near_.emplace();
        for (const auto& [name, unit] : set_.units) near_->add(name);
        for (const auto& [alias, name] : set_.aliases) near_->add(alias);
        return *near_;
    }

    const UnitSet& set_;
    std::unordered_set<std::string_view> setters_;
    std::optional<NearNames> near_;
    std::vector<Finding> findings_;
};

// How long `count` delays in a row take at least, in microseconds.
double delays_in_row(const Backoff& backoff, std::uint32_t count) {
    double delay = static_cast<double>(backoff.first.count());
    const double most = static_cast<double>(backoff.max.count());
    double sum = 0;
    while (count > 0 && delay < most && backoff.factor > 1 && delay > 0) {
        sum += delay;
        delay *= backoff.factor;
        --count;
    }
    return sum + static_cast<double>(count) * std::min(delay, most);
}

}  // namespace

std::vector<Finding> check_aliases(UnitSet& set) {
    std::map<std::string_view, std::vector<const UnitFile*>> claims;
    for (const auto& [name, unit] : set.units)
        for (const std::string& alias : unit->aliases) claims[alias].push_back(unit.get());
    std::vector<Finding> findings;
    const auto complain = [&](const UnitFile& unit, std::string_view alias, std::string text) {
        findings.push_back({Severity::error, unit.name, "unit", "aliases", std::string{alias},
                            in_quotes(alias) + std::move(text), true});
    };
    set.aliases.clear();
    for (const auto& [alias, units] : claims) {
        const bool is_name = set.units.contains(alias) || set.bad.contains(alias);
        for (const UnitFile* unit : units) {
            const auto other =
                std::ranges::find_if(units, [&](const UnitFile* one) { return one != unit; });
            if (is_name)
                complain(*unit, alias,
                         alias == unit->name ? " is its name already" : " is the name of a unit");
            else if (other != units.end())
                complain(*unit, alias, " is also an alias of " + (*other)->name);
            else if (units.size() > 1)
                complain(*unit, alias, " is written twice");
            else
                set.aliases.emplace(alias, unit->name);
        }
    }
    return findings;
}

std::vector<Finding> check_cycles(const UnitSet& set) {
    const OrderGraph graph{set};
    std::vector<Finding> findings;
    for (const auto& cycle : graph.cycles()) {
        const std::string text = "ordering cycle: " + graph.describe(cycle.loop);
        // By the unit that says it, so that each is told with the line of its own.
        std::map<std::uint32_t, const Edge*> said;
        for (const Edge& edge : cycle.loop)
            said.try_emplace(edge.said_by_from ? edge.from : edge.to, &edge);
        for (const std::uint32_t member : cycle.members) {
            Finding finding{Severity::error, graph.unit(member).name, {}, {}, {}, text, true};
            if (const auto found = said.find(member); found != said.end()) {
                const Edge& edge = *found->second;
                finding.table = "unit";
                finding.key = to_string(edge.relation);
                finding.value = graph.unit(edge.said_by_from ? edge.to : edge.from).name;
            }
            findings.push_back(std::move(finding));
        }
    }
    return findings;
}

std::vector<Finding> check_references(const UnitSet& set) {
    return References{set}.run();
}

std::vector<Finding> check_limits(const UnitSet& set) {
    std::vector<Finding> findings;
    for (const auto& [name, unit] : set.units) {
        if (!unit->service || unit->service->limit->starts == 0) continue;
        const Limit& limit = *unit->service->limit;
        const double least = delays_in_row(*unit->service->backoff, limit.starts);
        if (least <= static_cast<double>(limit.within.count())) continue;
        const auto shown = Duration{static_cast<std::int64_t>(std::min(least, 9e15))};
        findings.push_back({Severity::warning,
                            name,
                            "service",
                            "limit",
                            {},
                            "can never be reached: with these delays " +
                                std::to_string(limit.starts) + " restarts take at least " +
                                to_string(shown),
                            false});
    }
    return findings;
}

namespace {

// Turns findings into problems; the units of fatal ones count as missing from now on.
void settle(UnitSet& set, const std::vector<Finding>& findings, Locate locate) {
    for (const Finding& finding : findings) {
        const auto found = set.units.find(finding.unit);
        const UnitPtr unit = found == set.units.end() ? nullptr : found->second;
        Problem problem{finding.severity, {}, 0, 0, {}, finding.text};
        problem.key = finding.table + (finding.key.empty() ? "" : "." + finding.key);
        if (unit && !unit->files.empty()) problem.file = unit->files.front();
        if (unit && locate != nullptr) locate(*unit, finding, problem);
        set.problems.push_back(problem);
        if (finding.fatal) set.bad[finding.unit].push_back(std::move(problem));
    }
    for (const Finding& finding : findings)
        if (finding.fatal) set.units.erase(finding.unit);
}

}  // namespace

void check_set(UnitSet& set, Locate locate) {
    settle(set, check_aliases(set), locate);
    settle(set, check_cycles(set), locate);
    std::erase_if(set.aliases,
                  [&](const auto& alias) { return !set.units.contains(alias.second); });
    settle(set, check_references(set), locate);
    settle(set, check_limits(set), locate);
    std::ranges::stable_sort(set.problems, [](const Problem& a, const Problem& b) {
        return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
    });
}

void check_set(UnitSet& set) {
    check_set(set, nullptr);
}

UnitPtr UnitSet::find(std::string_view name) const {
    const auto unit = units.find(name);
    if (unit != units.end()) return unit->second;
    const auto alias = aliases.find(name);
    if (alias == aliases.end()) return nullptr;
    const auto meant = units.find(alias->second);
    return meant == units.end() ? nullptr : meant->second;
}

}  // namespace reeve::units
