// Generates docs/states.md from the machine: what each event does in each state. The test is that
// the page is current; UPDATE_STATES=1 rewrites it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "daemon/core/unit_machine.hpp"
#include "tests/core/support/units.hpp"

namespace reeve::core {
namespace {

using namespace std::chrono_literals;

constexpr State states[] = {State::down,      State::waiting,  State::starting, State::up,
                            State::reloading, State::stopping, State::killing,  State::backoff,
                            State::done,      State::failed};

// A notify service with a reload command, brought into a state by what happens to it.
struct Specimen {
    units::UnitPtr unit = testing::make_unit(
        "service x type=notify reload=1 wait-timeout=1s watchdog=9s run-timeout=8s");
    UnitMachine machine;
    TimePoint now{};
    bool decided = false;
    bool wanted = true;
    std::vector<Action> actions;

    Turn turn() { return {now, UnitId{1}, *unit, decided, wanted, unit->wait_timeout, actions}; }
    void main_exits(ExitStatus status, bool empty = true) {
        machine.on(Exited{{UnitId{1}, machine.run(), 1}, status, false, empty}, turn());
    }
    void notify(bool ready) {
        Notified news{UnitId{1}, machine.run()};
        news.ready = ready;
        news.reloading = !ready;
        machine.on(news, turn());
    }
    void bring_to(State state);
};

void Specimen::bring_to(State state) {
    const auto up = [this] {
        machine.begin(RunId{1}, "", turn());
        machine.on(Spawned{{UnitId{1}, RunId{1}, 1}}, turn());
        notify(true);
    };
    const auto stop = [this] { machine.go(Going::loss, "", turn()); };
    switch (state) {
        case State::down: break;
        case State::waiting: machine.wait("", turn()); break;
        case State::starting: machine.begin(RunId{1}, "", turn()); break;
        case State::up: up(); break;
        case State::reloading:
            up();
            machine.reload(turn());
            break;
        case State::stopping:
            up();
            stop();
            break;
        case State::killing:
            up();
            stop();
            now += 10s;
            machine.expire(turn());
            break;
        case State::backoff:
            up();
            main_exits({.code = 1});
            break;
        case State::done:
            up();
            main_exits({});
            break;
        case State::failed: machine.settle(Result::assert_failed, "", turn()); break;
    }
}

struct Happening {
    const char* name;
    std::function<void(Specimen&)> happen;
};

const Happening happenings[] = {
    {"it may start", [](Specimen& s) { s.machine.begin(RunId{2}, "", s.turn()); }},
    {"wanted, something is missing", [](Specimen& s) { s.machine.wait("", s.turn()); }},
    {"no longer wanted, failure forgotten", [](Specimen& s) { s.machine.come_down("", s.turn()); }},
    {"condition does not hold",
     [](Specimen& s) { s.machine.settle(Result::skipped, "", s.turn()); }},
    {"assert does not hold, limit",
     [](Specimen& s) { s.machine.settle(Result::limit, "", s.turn()); }},
    {"told to go", [](Specimen& s) { s.machine.go(Going::decision, "", s.turn()); }},
    {"reload asked", [](Specimen& s) { s.machine.reload(s.turn()); }},
    {"READY=1", [](Specimen& s) { s.notify(true); }},
    {"RELOADING=1", [](Specimen& s) { s.notify(false); }},
    {"main process exits 0, others are left", [](Specimen& s) { s.main_exits({}, false); }},
    {"main process exits 0, the last", [](Specimen& s) { s.main_exits({}); }},
    {"main process crashes, the last", [](Specimen& s) { s.main_exits({.signal = 11}); }},
    {"the same, decided and unwanted",
     [](Specimen& s) {
         s.decided = true;
         s.wanted = false;
         s.main_exits({.signal = 11});
     }},
    {"watchdog missed",
     [](Specimen& s) {
         Notified news{UnitId{1}, s.machine.run()};
         news.watchdog_trigger = true;
         s.machine.on(news, s.turn());
     }},
    {"its deadline passes",
     [](Specimen& s) {
         if (s.machine.deadline() == never) return;
         s.now = s.machine.deadline();
         s.machine.expire(s.turn());
     }},
};

std::string asks_for(const Action& action) {
    if (const auto* spawn = std::get_if<Spawn>(&action))
        return "spawn " + std::string{to_string(spawn->phase)};
    if (const auto* signal = std::get_if<SendSignal>(&action))
        return "signal " + std::to_string(signal->signal);
    if (std::holds_alternative<KillAll>(action)) return "kill all";
    return "";
}

// "→ stopping → failed; signal 15", or "·" when nothing comes of it.
std::string cell(State state, const Happening& happening) {
    Specimen specimen;
    specimen.bring_to(state);
    specimen.actions.clear();
    happening.happen(specimen);
    std::string text;
    std::string asked;
    for (const Action& action : specimen.actions) {
        if (const auto* report = std::get_if<Report>(&action))
            text += (text.empty() ? "→ " : " → ") + std::string{to_string(report->to)};
        if (const std::string what = asks_for(action); !what.empty())
            asked += (asked.empty() ? "" : ", ") + what;
    }
    if (!asked.empty()) text += (text.empty() ? "" : "; ") + asked;
    return text.empty() ? "·" : text;
}

std::string page() {
    std::ostringstream out;
    out << "# States of a unit\n\n"
           "Generated by tests/core/states_test.cpp from the machine itself (`UPDATE_STATES=1`); "
           "a\n"
           "test fails when this page is old. The specimen is a notify service with a reload\n"
           "command, `restart = \"on-failure\"` and a watchdog. A cell shows the states it goes\n"
           "through and what is asked of the shell; · is nothing. When a unit may start and must\n"
           "go is semantics.md §4 and §5.\n";
    for (const State state : states) {
        out << "\n## " << to_string(state) << "\n| what happens | what follows |\n|---|---|\n";
        for (const Happening& happening : happenings)
            out << "| " << happening.name << " | " << cell(state, happening) << " |\n";
    }
    return out.str();
}

TEST(States, SpecimensAreWhatTheyShouldBe) {
    for (const State state : states) {
        Specimen specimen;
        specimen.bring_to(state);
        EXPECT_EQ(specimen.machine.state(), state);
    }
}

TEST(States, ThePageIsCurrent) {
    const std::string path = SOURCE_ROOT "/docs/states.md";
    if (std::getenv("UPDATE_STATES")) std::ofstream{path} << page();
    std::ostringstream written;
    written << std::ifstream{path}.rdbuf();
    EXPECT_EQ(written.str(), page());
}

}  // namespace
}  // namespace reeve::core
