#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "tests/units/support/folder.hpp"
#include "units/graph.hpp"
#include "units/near_names.hpp"
#include "units/unit_set.hpp"

namespace reeve::units {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Definition {
    std::string name;
    std::vector<Link> links = {};
    Kind kind = Kind::service;
    bool enabled = true;
};

UnitSet make_set(std::vector<Definition> definitions) {
    UnitSet set;
    for (auto& definition : definitions) {
        auto unit = std::make_shared<UnitFile>();
        unit->name = definition.name;
        unit->kind = definition.kind;
        unit->enabled = definition.enabled;
        unit->links = std::move(definition.links);
        unit->files = {definition.name + ".toml"};
        set.units.emplace(definition.name, std::move(unit));
    }
    return set;
}

std::vector<std::string> told(UnitSet& set) {
    check_set(set);
    std::vector<std::string> out;
    for (const Problem& problem : set.problems) out.push_back(to_string(problem));
    return out;
}

double cpu_seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Semantics §1: "A file with problems, or on an ordering cycle, counts as missing and is listed as
// such with its problems."
TEST(CheckSet, EveryUnitOnACycleIsBadAndTheLoopIsShown) {
    UnitSet set = make_set({{"a", {{Relation::after, true, "b"}}},
                            {"b", {{Relation::requires_, true, "c"}}},
                            {"c", {}},
                            {"d", {{Relation::before, true, "c"}, {Relation::after, true, "a"}}},
                            {"e", {{Relation::after, true, "a"}}}});
    EXPECT_THAT(
        told(set),
        ElementsAre(
            "a.toml: unit.after: ordering cycle: a after b, b requires c, d before c, d after a",
            "b.toml: unit.requires: ordering cycle: a after b, b requires c, d before c, d after a",
            "c.toml: ordering cycle: a after b, b requires c, d before c, d after a",
            "d.toml: unit.before: ordering cycle: a after b, b requires c, d before c, d after a"));
    EXPECT_EQ(set.units.size(), 1U);
    EXPECT_EQ(set.bad.size(), 4U);
}

// §4: "As { unit = "x", order = "none" }: x only must be known".
TEST(CheckSet, BondsWithoutOrderCloseNoLoop) {
    UnitSet set = make_set(
        {{"a", {{Relation::binds_to, false, "b"}}}, {"b", {{Relation::requires_, true, "a"}}}});
    EXPECT_THAT(told(set), IsEmpty());
}

// §4: "`wants` pulls and does not order; in a target it implies `after`, unless the opposite order
// is written;"
TEST(CheckSet, WantsOrdersInATargetOnly) {
    UnitSet service = make_set({{"a", {{Relation::wants, true, "b"}}},
                                {"b", {{Relation::wants, true, "c"}}},
                                {"c", {{Relation::after, true, "a"}}}});
    EXPECT_THAT(told(service), IsEmpty());
    UnitSet target = make_set({{"t", {{Relation::wants, true, "b"}}, Kind::target},
                               {"b", {{Relation::after, true, "c"}}},
                               {"c", {{Relation::after, true, "t"}}}});
    EXPECT_THAT(
        told(target),
        testing::Contains("t.toml: unit.wants: ordering cycle: b after c, c after t, t wants b"));
}

// "`wanted-by`, `required-by` put the unit into another's `wants`, `requires` while `enabled`
// (default true)."
TEST(CheckSet, WantedByOrdersWhileEnabled) {
    const std::vector<Link> links{{Relation::wanted_by, true, "t"}, {Relation::after, true, "b"}};
    const auto with = [&](bool enabled) {
        return make_set({{"a", links, Kind::service, enabled},
                         {"b", {{Relation::after, true, "t"}}},
                         {"t", {}, Kind::target}});
    };
    UnitSet enabled = with(true);
    EXPECT_THAT(told(enabled),
                testing::Contains("t.toml: ordering cycle: a after b, b after t, a wanted-by t"));
    UnitSet disabled = with(false);
    EXPECT_THAT(told(disabled), IsEmpty());
}

TEST(CheckSet, AWrittenOrderIsStrongerThanTheOneThatATargetsWantsImply) {
    UnitSet after =
        make_set({{"a", {{Relation::wanted_by, true, "t"}, {Relation::after, true, "t"}}},
                  {"t", {}, Kind::target}});
    EXPECT_THAT(told(after), IsEmpty());
    UnitSet before = make_set(
        {{"a", {}},
         {"t", {{Relation::wants, true, "a"}, {Relation::before, true, "a"}}, Kind::target}});
    EXPECT_THAT(told(before), IsEmpty());
    UnitSet requires_it = make_set({{"a", {{Relation::requires_, true, "t"}}},
                                    {"t", {{Relation::wants, true, "a"}}, Kind::target}});
    EXPECT_THAT(told(requires_it), IsEmpty());
    UnitSet targets = make_set({{"s", {{Relation::wants, true, "t"}}, Kind::target},
                                {"t", {{Relation::wants, true, "s"}}, Kind::target}});
    EXPECT_THAT(told(targets), testing::SizeIs(2)) << "neither order is written";
}

// §1: "A missing name in requires …: the unit waits, `check` calls it an error."
// "A missing name in `requires`, `binds-to`, `requisite` or a gate: the unit waits, `check` calls
// it an error. Elsewhere: allowed;"
TEST(CheckSet, AUnitThatRequiresWhatIsMissingStaysAndWaits) {
    UnitSet set = make_set(
        {{"a", {{Relation::requires_, true, "gone"}}}, {"b", {{Relation::after, true, "gone"}}}});
    EXPECT_THAT(told(set), ElementsAre("a.toml: unit.requires: there is no unit \"gone\""));
    EXPECT_EQ(set.units.size(), 2U);
    EXPECT_THAT(set.bad, IsEmpty());
}

// "`check` warns of one that the delays can never reach."
TEST(CheckSet, ALimitIsReachedOrNot) {
    const auto told_of = [](Backoff backoff, std::uint32_t starts, Duration within) {
        UnitSet set;
        auto unit = std::make_shared<UnitFile>();
        unit->name = "a";
        unit->service = std::make_unique<Service>();
        unit->service->backoff.edit() = backoff;
        unit->service->limit.edit() = {starts, within, Limit::Then::stop, {}};
        set.units.emplace("a", std::move(unit));
        return told(set).size();
    };
    using namespace std::chrono_literals;
    // 100 + 200 + 400 ms before the fourth start.
    EXPECT_EQ(told_of({100ms, 2, 30s, 1min}, 3, 700ms), 0U);
    EXPECT_EQ(told_of({100ms, 2, 30s, 1min}, 3, 699ms), 1U);
    EXPECT_EQ(told_of({100ms, 1, 100ms, 1min}, 5, 10s), 0U);
    EXPECT_EQ(told_of({10s, 1, 30s, 1min}, 7, 1min), 1U);
    EXPECT_EQ(told_of({0s, 2, 30s, 1min}, 1'000'000, 1us), 0U);
    EXPECT_EQ(told_of({100ms, 1000, 30s, 1min}, 1'000'000, 24h), 1U);
}

// However units depend on each other, no stack grows with it.
TEST(CheckSet, AChainAndALoopOfFiftyThousandAreNoTrouble) {
    constexpr int count = 50'000;
    std::vector<Definition> chain;
    for (int i = 0; i < count; ++i)
        chain.push_back(
            {"u" + std::to_string(i),
             {{Relation::requires_, true, "u" + std::to_string(std::min(i + 1, count - 1))}}});
    chain.back().links.clear();
    auto loop = chain;
    UnitSet good = make_set(std::move(chain));
    EXPECT_THAT(told(good), IsEmpty());
    loop.back().links = {{Relation::after, true, "u0"}};
    UnitSet bad = make_set(std::move(loop));
    EXPECT_EQ(told(bad).size(), static_cast<std::size_t>(count));
    EXPECT_THAT(bad.problems.front().text, testing::HasSubstr("and 49988 more"));
}

TEST(CheckSet, TenThousandUnitsWithSlipsTakeNoSquareOfThem) {
    const auto seconds_for = [](int count) {
        std::vector<Definition> definitions;
        definitions.push_back({"default", {}, Kind::target});
        for (int i = 0; i < count; ++i) {
            const std::string n = std::to_string(i);
            definitions.push_back({"unit-" + n + "-name",
                                   {{Relation::wanted_by, true, "default"},
                                    {Relation::after, true, "unit-" + n + "-nmae"},
                                    {Relation::wants, true, "absent-" + n + ".service"}}});
        }
        UnitSet set = make_set(std::move(definitions));
        const double before = cpu_seconds();
        check_set(set);
        EXPECT_EQ(set.problems.size(), static_cast<std::size_t>(count));
        return cpu_seconds() - before;
    };
    const double few = seconds_for(1'000);
    const double many = seconds_for(10'000);
    EXPECT_LT(many, 40 * few + 0.5);  // a square would be a hundred times as much
}

// "a warning if a known name is near."
TEST(NearNames, AreASingleSlipAway) {
    NearNames names;
    for (const std::string_view name : {"network", "time-sync", "disk1", "web"}) names.add(name);
    EXPECT_EQ(names.find("netwrok"), "network");
    EXPECT_EQ(names.find("networ"), "network");
    EXPECT_EQ(names.find("nettwork"), "network");
    EXPECT_EQ(names.find("natwork"), "network");
    EXPECT_EQ(names.find("web.service"), "web");
    EXPECT_EQ(names.find("natwrok"), "");
    EXPECT_EQ(names.find("disk2"), "");  // a sibling, not a slip
    EXPECT_EQ(names.find("disk12"), "");
    EXPECT_EQ(names.find("w"), "");
}

TEST(SameDefinition, CountsEverythingButTheFiles) {
    const auto parse = [](const char* file, const char* text) {
        return parse_unit("x", file, text, {}).unit;
    };
    const char* text = "[unit]\nafter = [\"a\"]\n[service]\ncommand = [\"/bin/a\"]\n";
    const auto a = parse("a.toml", text);
    EXPECT_TRUE(same_definition(*a, *parse("b.toml", text)));
    EXPECT_FALSE(same_definition(
        *a, *parse("a.toml", "[unit]\nafter = [\"a\"]\n[service]\ncommand = [\"/bin/b\"]\n")));
    EXPECT_FALSE(same_definition(*a, *parse("a.toml", "[unit]\nafter = [\"a\"]\n[target]\n")));
}

}  // namespace
}  // namespace reeve::units
