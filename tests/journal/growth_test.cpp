// A real engine with ten units beside its journal: memory is bounded by the units, not by time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "daemon/core/engine.hpp"
#include "daemon/journal/snapshot.hpp"
#include "tests/journal/support/memory.hpp"

namespace reeve::journal {
namespace {

using namespace core;
using namespace std::chrono_literals;
using testing::Memory;

units::UnitPtr service(const std::string& name) {
    auto unit = std::make_shared<units::UnitFile>();
    unit->name = name;
    unit->service = std::make_unique<units::Service>();
    unit->service->type = units::Type::notify;
    unit->service->restart = units::Restart::always;
    unit->service->watchdog = 1h;
    unit->service->backoff.edit() = {1ms, 1.0, 1ms, 1s};
    unit->service->commands = {{units::Phase::main, false, false, true, {"/bin/" + name}}};
    return unit;
}

class Board {
public:
    explicit Board(int units) {
        ApplySet set;
        for (int i = 0; i < units; ++i) set.units.push_back(service("s" + std::to_string(i)));
        tell(set);
        for (const auto& unit : set.units) tell(StartRequest{{}, unit->name});
    }

    // Tells it, answers what it asks for, and compacts when due.
    void tell(const Event& event) {
        EXPECT_EQ(journal_.append(event, now_).error, 0);
        ++events;
        for (const Action& action : engine_.handle(event, now_))
            if (const auto* spawn = std::get_if<Spawn>(&action)) running_.push_back(spawn->process);
        if (!journal_.due(now_)) return;
        const Snapshot snapshot{engine_.definitions(), engine_.save(), ""};
        EXPECT_EQ(journal_.compact(to_bytes(snapshot), {}, now_), 0);
        ++compactions;
        most_used = std::max(most_used, memory_.bytes_in_use());
    }

    // A service starts, says that it lives, and dies.
    void live() {
        now_ += 1ms;
        if (running_.empty()) return tell(TimePassed{});
        const ProcessRef process = running_.back();
        running_.pop_back();
        tell(Spawned{process});
        tell(Notified{process.unit, process.run, true, false, false, false, false, {}, 0});
        for (int i = 0; i < 6; ++i)
            tell(Notified{process.unit, process.run, false, false, false, true, false, {}, 0});
        tell(Exited{process, {1, 0, false, false}, false, true});
    }

    std::uint64_t events = 0;
    std::uint64_t compactions = 0;
    std::uint64_t most_used = 0;

private:
    Memory memory_;
    Engine engine_;
    Journal journal_ = memory_.open();
    TimePoint now_{1h};
    std::vector<ProcessRef> running_;
};

TEST(JournalGrowth, IsBoundedByTheUnitsWhateverTheTime) {
    Board board{10};
    const std::uint64_t wanted = std::getenv("REEVE_LONG") ? 10'000'000 : 1'000'000;
    while (board.events < wanted) board.live();
    EXPECT_GT(board.compactions, wanted / 10'000);
    EXPECT_LE(board.most_used, 256U << 10U);
    RecordProperty("most_used", static_cast<int>(board.most_used));
}

}  // namespace
}  // namespace reeve::journal
