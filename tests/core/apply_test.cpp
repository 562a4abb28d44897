// A set of definitions is taken over as a whole or not at all, whichever allocation fails.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "daemon/core/engine.hpp"

namespace {

// How many allocations still succeed; -1: all.
long allocations_left = -1;

}  // namespace

void* operator new(std::size_t size) {
    if (allocations_left == 0) throw std::bad_alloc{};
    if (allocations_left > 0) --allocations_left;
    void* memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) throw std::bad_alloc{};
    return memory;
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace reeve::core {
namespace {

using units::Link;
using units::Relation;

std::shared_ptr<units::UnitFile> service(const std::string& name) {
    auto unit = std::make_shared<units::UnitFile>();
    unit->name = name;
    unit->service = std::make_unique<units::Service>();
    units::Command command;
    command.argv = {"/bin/" + name};
    unit->service->commands.push_back(std::move(command));
    return unit;
}

// Ten units in a row, each requires the one before; u4 waits for a gate.
ApplySet ten() {
    ApplySet set;
    for (char c = '0'; c <= '9'; ++c) {
        auto unit = service(std::string{"u"} + c);
        if (c > '0')
            unit->links.push_back({Relation::requires_, true, std::string{"u"} + char(c - 1)});
        if (c == '4') {
            units::Predicate gate;
            gate.argument = "go";
            unit->predicates.edit().gate.push_back(gate);
        }
        set.units.push_back(std::move(unit));
    }
    return set;
}

Engine running() {
    Engine engine;
    engine.handle(ten(), {});
    StartRequest start;
    start.unit = "u9";
    for (auto actions = engine.handle(start, {}); !actions.empty();) {
        std::vector<Action> next;
        for (const Action& action : actions)
            if (const auto* spawn = std::get_if<Spawn>(&action))
                for (auto& each : engine.handle(Spawned{spawn->process}, {}))
                    next.push_back(std::move(each));
        actions = std::move(next);
    }
    return engine;
}

// One of each: changed while it runs, while it waits, removed, added, masked, bad, an alias more.
ApplySet another() {
    ApplySet set = ten();
    const auto edit = [&](std::size_t index) -> units::UnitFile& {
        auto unit = service(set.units[index]->name);
        unit->links = set.units[index]->links;
        set.units[index] = unit;
        return *unit;
    };
    edit(1).description = "changed";
    edit(5).aliases = {"five"};
    edit(7).links.push_back({Relation::wants, true, "new"});
    set.units.push_back(service("new"));
    set.bad["bad"] = {"its file has problems"};
    set.masked = {"u8"};
    set.restart = {"u1"};
    std::erase_if(set.units,
                  [](const auto& unit) { return unit->name == "u3" || unit->name == "u8"; });
    return set;
}

std::size_t count_of(const std::vector<Action>& actions) {
    return actions.size();
}

TEST(Apply, HappensAsAWholeOrNotAtAllWhicheverAllocationFails) {
    const Event event = another();
    Engine reference = running();
    const auto expected = count_of(reference.handle(event, {}));
    const std::string after = reference.save();
    ASSERT_GT(expected, 3U);

    Engine engine = running();
    const std::string before = engine.save();
    ASSERT_NE(before, after);
    ASSERT_EQ(engine.view(*engine.find("u2")).state, State::up);
    long failed = 0;
    for (bool done = false; !done; ++failed) {
        std::size_t actions = 0;
        allocations_left = failed;
        try {
            actions = engine.handle(event, {}).size();
            done = true;
        } catch (const std::bad_alloc&) {
        }
        allocations_left = -1;
        ASSERT_EQ(engine.save(), done ? after : before) << "allocation " << failed;
        EXPECT_EQ(actions, done ? expected : 0U);
    }
    EXPECT_GT(failed, 100) << "the hook does nothing";
}

TEST(Apply, OfWhatIsInForceAlreadyDoesNothing) {
    Engine engine = running();
    const std::string before = engine.save();
    EXPECT_TRUE(engine.handle(ten(), {}).empty());  // other pointers that mean the same
    EXPECT_EQ(engine.save(), before);
}

TEST(Apply, RestartsWhatRunsWithAnOlderDefinitionWhenToldSoLater) {
    Engine engine = running();
    ApplySet set = ten();
    auto changed = service("u2");
    changed->links = set.units[2]->links;
    changed->description = "changed";
    set.units[2] = changed;
    engine.handle(set, {});
    ASSERT_TRUE(engine.view(*engine.find("u2")).stale);
    ASSERT_EQ(engine.view(*engine.find("u2")).state, State::up);

    set.restart = {"u2", "u0"};  // u0 is not: it is let alone
    engine.handle(set, {});
    EXPECT_NE(engine.view(*engine.find("u3")).state, State::up);  // it requires u2, and goes first
    EXPECT_EQ(engine.view(*engine.find("u0")).state, State::up);
}

}  // namespace
}  // namespace reeve::core
