// Traps that other supervisors fell into, as properties of the core (docs/traps.md).
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "daemon/core/engine.hpp"

namespace reeve::core {
namespace {

using namespace std::chrono_literals;
using units::Phase;
using units::Type;

constexpr Duration ten_years = 24h * 365 * 10;

units::UnitPtr service(const std::string& name, Type type,
                       const std::function<void(units::UnitFile&, units::Service&)>& more = {}) {
    auto unit = std::make_unique<units::UnitFile>();
    unit->name = name;
    unit->service = std::make_unique<units::Service>();
    unit->service->type = type;
    units::Command command;
    command.argv = {"/bin/" + name};
    unit->service->commands.push_back(command);
    if (more) more(*unit, *unit->service);
    return unit;
}

// An engine and a shell that obeys at once; a process lives until it is told or crashes.
class Bench {
public:
    explicit Bench(std::vector<units::UnitPtr> units) {
        send(ApplySet{std::move(units), {}, {}, {}});
    }

    Engine engine;
    TimePoint now{ten_years * 2};
    std::vector<Action> actions;  // of the last send(), all that followed included
    bool spawns = true;           // false: Spawned stays away
    bool obeys = true;            // false: nobody dies of a signal

    void send(const Event& event) {
        actions.clear();
        queue_.push_back(event);
        while (!queue_.empty()) {
            const Event next = std::move(queue_.front());
            queue_.pop_front();
            for (auto& action : engine.handle(next, now)) {
                answer(action);
                actions.push_back(std::move(action));
            }
        }
    }
    // Time passes as it does in life: deadline by deadline.
    void pass(Duration duration) {
        const TimePoint end = now + duration;
        std::vector<Action> all;
        for (auto next = engine.next_deadline(); next && *next <= end;
             next = engine.next_deadline()) {
            now = std::max(now, *next);
            send(TimePassed{});
            all.insert(all.end(), actions.begin(), actions.end());
        }
        now = end;
        actions = std::move(all);
    }
    // Time leaps, and only then is the core told.
    void jump(Duration duration) {
        now += duration;
        send(TimePassed{});
    }
    void start(const std::string& unit) { send(StartRequest{{}, unit}); }
    void stop(const std::string& unit) { send(StopRequest{{}, unit}); }
    void crash(const std::string& unit, ExitStatus status = {.signal = 11}) {
        const auto process = main_.at(view(unit).run);
        send(Exited{process, status});
        send(Emptied{process.unit, process.run});
    }
    UnitView view(const std::string& unit) const { return engine.view(*engine.find(unit)); }
    State state(const std::string& unit) const { return view(unit).state; }
    template <class A>
    std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(actions.begin(), actions.end(),
                          [](const auto& a) { return std::holds_alternative<A>(a); }));
    }

private:
    void answer(const Action& action) {
        if (const auto* spawn = std::get_if<Spawn>(&action)) {
            if (!spawns) return;
            queue_.push_back(Spawned{spawn->process});
            if (spawn->phase == Phase::main) {
                main_[spawn->process.run] = spawn->process;
            } else {
                end(spawn->process, {});
            }
        } else if (const auto* signal = std::get_if<SendSignal>(&action)) {
            if (obeys) end(main_.at(signal->run), {.signal = signal->signal});
        } else if (const auto* kill = std::get_if<KillAll>(&action)) {
            if (obeys) end(main_.at(kill->run), {.signal = 9});
        }
    }
    void end(const ProcessRef& process, ExitStatus status) {
        queue_.push_back(Exited{process, status});
        queue_.push_back(Emptied{process.unit, process.run});
    }

    std::deque<Event> queue_;
    std::map<RunId, ProcessRef> main_;
};

// ── 7: readiness of an earlier run, or from before a crash, counts for nothing ──────────────────

TEST(Trap07StaleReadiness, UpMeansThatThisRunSaidSo) {
    EXPECT_TRUE(rc::check("ready implies the current run", [] {
        Bench bench{{service("web", Type::notify, [](auto&, auto& s) {
            s.backoff.edit().first = 1ms;
            s.backoff.edit().max = 10ms;
        })}};
        bench.start("web");
        const auto web = *bench.engine.find("web");
        std::vector<RunId> runs;
        RunId ready{};
        const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 8));
        for (const int step : steps) {
            const auto run = bench.view("web").run;
            if (runs.empty() || runs.back() != run) runs.push_back(run);
            switch (step) {
                case 0:
                    bench.send(Notified{.unit = web, .run = run, .ready = true});
                    ready = run;
                    break;
                case 1:
                case 2: {
                    const auto old = *rc::gen::elementOf(runs);
                    if (old != run) bench.send(Notified{.unit = web, .run = old, .ready = true});
                    break;
                }
                case 3:
                    if (is_running(bench.state("web"))) bench.crash("web");
                    break;
                case 4: bench.pass(20ms); break;
                case 5: bench.send(RestartRequest{{}, "web", false}); break;
                case 6: bench.send(ReloadRequest{{}, "web"}); break;
                default: bench.start("web"); break;
            }
            const auto state = bench.state("web");
            const bool up = state == State::up || state == State::reloading;
            RC_ASSERT(!up || ready == bench.view("web").run);
        }
    }));
}

// ── 8: a restart loop cannot evade its limit, nor a limit stand in the way of a stop ────────────

TEST(Trap08RestartLoop, AnyCrashPeriodBacksOffMonotonouslyAndDecays) {
    EXPECT_TRUE(rc::check("monotone back-off, decay", [] {
        const units::Backoff policy{.first = Duration{*rc::gen::inRange(1, 1'000'000)},
                                    .factor = 1.0 + 0.25 * *rc::gen::inRange(0, 17),
                                    .max = Duration{*rc::gen::inRange(1, 60'000'000)},
                                    .reset_after = Duration{*rc::gen::inRange(1, 120'000'000)}};
        const Duration period{*rc::gen::inRange(0, 120'000'000)};
        Bench bench{
            {service("web", Type::simple, [&](auto&, auto& s) { s.backoff.edit() = policy; })}};
        bench.start("web");
        Duration last{0};
        for (std::uint32_t n = 1; n <= 12; ++n) {
            bench.pass(period);
            bench.crash("web");
            const auto view = bench.view("web");
            RC_ASSERT(view.state == State::backoff && view.next_start);
            const Duration delay = *view.next_start - bench.now;
            RC_ASSERT(delay <= policy.max && delay <= std::max(policy.max, policy.first));
            if (period >= policy.reset_after) {
                RC_ASSERT(view.failures == 1);
                RC_ASSERT(delay == std::min(policy.first, policy.max));
            } else {
                RC_ASSERT(view.failures == n);
                RC_ASSERT(delay >= last);
            }
            last = delay;
            bench.pass(delay - 1us);
            RC_ASSERT(bench.state("web") == State::backoff);
            bench.pass(1us);
            RC_ASSERT(bench.state("web") == State::up);
        }
        bench.pass(policy.reset_after);
        bench.crash("web");
        RC_ASSERT(bench.view("web").failures == 1U);
    }));
}

TEST(Trap08RestartLoop, TheLimitCountsStartsWhateverThePeriodAndNeverBlocksAStop) {
    EXPECT_TRUE(rc::check("escalation", [] {
        units::Limit limit;
        limit.starts = *rc::gen::inRange<std::uint32_t>(1, 7);
        limit.within = Duration{*rc::gen::inRange(1'000, 60'000'000)};
        limit.then = units::Limit::Then::event;
        limit.argument = "web-broken";
        const Duration period{*rc::gen::inRange(0, 10'000'000)};
        const auto user = [](auto& unit, auto&) {
            unit.links.push_back({units::Relation::requires_, true, "web"});
        };
        Bench bench{{service("web", Type::simple,
                             [&](auto&, auto& s) {
                                 s.limit.edit() = limit;
                                 s.backoff.edit().first = 200ms;
                             }),
                     service("user", Type::simple, user)}};
        bench.start("user");
        std::vector<TimePoint> starts{bench.now};
        for (int i = 0; i < 20 && bench.state("web") != State::failed; ++i) {
            bench.pass(period);
            bench.crash("web");
            const auto next = bench.view("web").next_start.value_or(bench.now);
            bench.pass(next - bench.now);
            std::uint32_t within = 0;
            for (const auto start : starts) within += bench.now - start < limit.within ? 1 : 0;
            // At the very edge either may be meant.
            const bool edge = std::any_of(starts.begin(), starts.end(), [&](TimePoint start) {
                return bench.now - start == limit.within;
            });
            if (!edge) RC_ASSERT((bench.state("web") == State::failed) == (within >= limit.starts));
            if (bench.state("web") == State::up) starts.push_back(bench.now);
        }
        if (bench.state("web") == State::failed) {
            RC_ASSERT(bench.view("web").result == Result::limit);
            const auto events = bench.engine.events();
            RC_ASSERT(std::any_of(events.begin(), events.end(), [](const EventView& event) {
                return event.name == "web-broken" && event.set;
            }));
            // What needs it does not start it behind the limit's back.
            bench.stop("user");
            bench.pass(1h);
            RC_ASSERT(bench.state("web") == State::failed || bench.state("web") == State::down);
        }
        bench.stop("web");
        RC_ASSERT(bench.state("web") == State::down || bench.state("web") == State::failed);
        RC_ASSERT(bench.state("user") == State::down || bench.state("user") == State::waiting);
        bench.start("web");
        RC_ASSERT(bench.state("web") == State::up);
        bench.stop("web");
        RC_ASSERT(bench.state("web") == State::down);
    }));
}

TEST(Trap08RestartLoop, AUnitAtItsLimitHoldsNoShutdownUp) {
    Bench bench{{service("web", Type::simple, [](auto&, auto& s) {
        s.limit.edit().starts = 1;
        s.limit.edit().within = 1h;
    })}};
    bench.start("web");
    bench.crash("web");
    bench.pass(1s);
    ASSERT_EQ(bench.state("web"), State::failed);
    bench.send(ShutdownRequest{});
    EXPECT_EQ(bench.count<ShutdownComplete>(), 1U);
}

// ── 19: the clock leaps by ten years, in every state that has a timer ───────────────────────────

struct Timer {
    const char* name;
    std::function<Bench()> reach;  // a bench whose unit "web" has this timer running
    std::size_t most_spawns;       // that one passing of that one timer may cause
};

std::ostream& operator<<(std::ostream& out, const Timer& timer) {
    return out << timer.name;
}

Bench notify_bench(const std::function<void(units::UnitFile&, units::Service&)>& more) {
    return Bench{{service("web", Type::notify, more)}};
}
void ready(Bench& bench) {
    bench.send(
        Notified{.unit = *bench.engine.find("web"), .run = bench.view("web").run, .ready = true});
}

const std::vector<Timer>& timers() {
    static const std::vector<Timer> all{
        {"StartTimeout",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             return bench;
         },
         1},
        {"Watchdog",
         [] {
             auto bench = notify_bench([](auto&, auto& s) { s.watchdog = 2s; });
             bench.start("web");
             ready(bench);
             return bench;
         },
         1},
        {"RunTimeout",
         [] {
             auto bench = notify_bench([](auto&, auto& s) { s.run_timeout = 1min; });
             bench.start("web");
             ready(bench);
             return bench;
         },
         1},
        {"Backoff",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             bench.crash("web");
             return bench;
         },
         1},
        {"ResetAfter",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             bench.crash("web");
             bench.pass(1s);
             ready(bench);
             return bench;
         },
         0},
        {"StopTimeout",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             ready(bench);
             bench.obeys = false;
             bench.stop("web");
             return bench;
         },
         0},
        {"Killing",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             ready(bench);
             bench.obeys = false;
             bench.stop("web");
             bench.pass(30s);
             return bench;
         },
         0},
        {"WaitTimeout",
         [] {
             auto bench = notify_bench([](auto& unit, auto&) {
                 unit.wait_timeout = 10s;
                 units::Predicate gate;
                 gate.kind = units::Predicate::Kind::event;
                 gate.argument = "never";
                 unit.predicates.edit().gate.push_back(gate);
             });
             bench.start("web");
             return bench;
         },
         0},
        {"RequestDeadline",
         [] {
             auto bench = notify_bench({});
             bench.send(StartRequest{{RequestId{7}, "uid 0", bench.now + 5s}, "web"});
             return bench;
         },
         1},
        {"Join",
         [] {
             auto bench = notify_bench([](auto&, auto& s) { s.daemonic = false; });
             bench.start("web");
             ready(bench);
             bench.send(ShutdownRequest{});
             return bench;
         },
         0},
        {"ShutdownDeadline",
         [] {
             auto bench = notify_bench({});
             bench.start("web");
             ready(bench);
             bench.obeys = false;
             bench.send(ShutdownRequest{});
             return bench;
         },
         0},
    };
    return all;
}

class Trap19ClockJump : public testing::TestWithParam<Timer> {};

TEST_P(Trap19ClockJump, ForwardsEachTimerPassesOnceAndNothingStorms) {
    auto bench = GetParam().reach();
    const auto starts = bench.view("web").starts;
    bench.jump(ten_years);
    EXPECT_LE(bench.count<Spawn>(), GetParam().most_spawns);
    EXPECT_LE(bench.view("web").starts, starts + 1);
    EXPECT_LE(bench.actions.size(), 16U) << "a storm";
    const auto next = bench.engine.next_deadline();
    EXPECT_TRUE(!next || *next > bench.now) << "a deadline that stays due";
    const auto state = bench.state("web");
    bench.send(TimePassed{});
    EXPECT_TRUE(bench.actions.empty()) << "the same moment has something to do twice";
    EXPECT_EQ(bench.state("web"), state);
}

TEST_P(Trap19ClockJump, BackwardsNothingHappensAndTheTimersGoOnWhenTimeIsBack) {
    auto bench = GetParam().reach();
    auto twin = GetParam().reach();
    const auto deadline = bench.engine.next_deadline();
    const auto state = bench.state("web");
    bench.jump(-ten_years);
    EXPECT_TRUE(bench.actions.empty());
    EXPECT_EQ(bench.state("web"), state);
    EXPECT_EQ(bench.engine.next_deadline(), deadline);

    bench.now += ten_years;
    bench.pass(1h);
    twin.pass(1h);
    EXPECT_EQ(bench.state("web"), twin.state("web"));
    EXPECT_EQ(bench.view("web").starts, twin.view("web").starts);
    EXPECT_EQ(bench.actions.size(), twin.actions.size());
}

// What happens during a leap back still happens, and no sum of times overflows on the way.
TEST_P(Trap19ClockJump, BackwardsStopAndStartWorkAsEver) {
    auto bench = GetParam().reach();
    bench.jump(-ten_years);
    bench.obeys = true;
    bench.stop("web");
    bench.pass(ten_years + 10min);
    if (bench.state("web") == State::killing) bench.crash("web");  // KILL was sent before that
    EXPECT_FALSE(is_running(bench.state("web")));
}

INSTANTIATE_TEST_SUITE_P(Each, Trap19ClockJump, testing::ValuesIn(timers()),
                         [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace reeve::core
