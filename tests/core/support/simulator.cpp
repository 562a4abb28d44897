#include "tests/core/support/simulator.hpp"

#include <algorithm>
#include <deque>
#include <iostream>
#include <set>
#include <sstream>
#include <utility>

#include "daemon/core/engine.hpp"
#include "tests/core/support/sim_journal.hpp"
#include "tests/core/support/sim_rules.hpp"
#include "tests/core/support/sim_set.hpp"
#include "tests/core/support/sim_text.hpp"
#include "tests/core/support/sim_world.hpp"

namespace reeve::sim {

using namespace core;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t remembered_calls = 400;
// Longer than any timer of the sets; what pings a watchdog is never wholly at rest.
constexpr Duration long_quiet = 2min;

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

class Episode {
public:
    Episode(std::uint64_t seed, EpisodeOptions options)
        : options_{options}, random_{seed}, set_{random_, size()}, world_{random_} {
        outcome_.hash = 0xcbf29ce484222325U;
        if (seed % 3 == 0) journal_ = std::make_unique<SimJournal>(seed, *engine_);
    }

    Outcome run() {
        try {
            live();
            if (random_.chance(50)) settle();
            end();
        } catch (const Violation& violation) {
            outcome_.failure = describe(violation);
        } catch (const std::exception& error) {
            outcome_.failure = describe(Violation{UnitId{}, error.what()});
        }
        outcome_.starts = rules_.starts;
        outcome_.sweeps = rules_.sweeps;
        return std::move(outcome_);
    }

private:
    struct Call {
        TimePoint now;
        Event event;
        std::vector<Action> actions;
    };

    // Mostly small sets, where much happens to the same few; now and then 200.
    std::uint32_t size() {
        switch (random_.below(10)) {
            case 0: return 100 + random_.below(93);
            case 1:
            case 2: return 30 + random_.below(60);
            default: return 2 + random_.below(22);
        }
    }

    // ── the three parts of an episode ──────────────────────────────────────────────────────────

    void live() {
        world_.now = TimePoint{1h};
        apply(set_.units(), {});
        if (random_.chance(80)) give(StartRequest{caller(), "default.target"});
        const auto steps = 100 + random_.below(20 * set_.units().size() + 400);
        const auto trouble = 5 + random_.below(30);
        for (std::uint32_t i = 0; i < steps && !rules_.shutting_down(); ++i) {
            if (random_.chance(trouble) || !advance(1min)) disturb();
        }
    }

    // Nothing goes wrong any more: all must come to rest, with every promise kept.
    void settle() {
        if (rules_.shutting_down()) return;
        world_.calm_down();
        const auto patience = busy_ + 3'000 + 200 * set_.units().size();
        last_action_ = world_.now;
        while (!(world_.quiet() && (!due_within(1h) || world_.now - last_action_ > long_quiet))) {
            if (busy_ > patience) throw Violation{UnitId{}, unrest()};
            if (outcome_.events % 500 == 0) {
                for (const auto& name : rules_.restless()) give(StopRequest{{}, name});
            }
            if (!advance(1h)) break;
        }
        rules_.at_rest(*engine_, world_.now);
    }

    void end() {
        if (!rules_.shutting_down() && random_.chance(40)) return stop_everything();
        if (!rules_.shutting_down()) give(ShutdownRequest{caller(), haste()});
        const auto patience = outcome_.events + 3'000 + 300 * set_.units().size();
        while (!rules_.complete()) {
            if (outcome_.events > patience) throw Violation{UnitId{}, "the shutdown does not end"};
            if (random_.chance(4)) disturb_shutdown();
            if (!advance(1h) && !rules_.complete())
                throw Violation{UnitId{}, "the shutdown waits for nothing"};
        }
        rules_.all_gone(*engine_);
    }

    // "stop always ends", whatever the world does, as long as KILL kills in the end.
    void stop_everything() {
        auto running = rules_.running();
        std::set<std::string> told;
        const auto patience = outcome_.events + 3'000 + 300 * set_.units().size();
        while (!running.empty()) {
            if (outcome_.events > patience) {
                throw Violation{UnitId{}, running.front() + " was asked to stop and does not"};
            }
            if (outcome_.events % 64 == 0 || world_.quiet()) {
                for (const auto& name : running) give(StopRequest{{}, name});
                told.insert(running.begin(), running.end());
            }
            if (!advance(1h)) {
                for (const auto& name : rules_.running()) {
                    if (!refuses_stop(name) && told.contains(name)) {
                        throw Violation{*engine_->find(name), "was stopped and stays"};
                    }
                }
            }
            running = rules_.running();
            std::erase_if(running, [&](const auto& name) { return refuses_stop(name); });
        }
    }

    bool refuses_stop(const std::string& name) {
        const auto unit = engine_->find(name);
        if (!unit) return false;
        const auto current = engine_->view(*unit).definition;
        const auto of_run = engine_->definition_of_run(*unit);
        return (current && current->refuse_manual_stop) || (of_run && of_run->refuse_manual_stop);
    }

    // ── one step ───────────────────────────────────────────────────────────────────────────────

    bool due_within(Duration span) {
        const auto deadline = engine_->next_deadline();
        return deadline && *deadline - world_.now < span;
    }

    // Lets the next thing happen, if anything does within `horizon`.
    bool advance(Duration horizon) {
        const auto deadline = engine_->next_deadline();
        const auto next = world_.next();
        // A timer may be late, and news may come before it.
        if (deadline && (!next || *deadline <= *next) && !(next && random_.one_in(20))) {
            if (*deadline - world_.now > horizon) return false;
            const auto late = random_.one_in(10) ? random_.between(1us, 50ms) : Duration{0};
            world_.now = std::max(world_.now, *deadline + late);
            give(TimePassed{});
            return true;
        }
        if (!next) return false;
        if (auto event = world_.happen()) give(std::move(*event));
        return true;
    }

    void give(Event event) {
        const bool backwards = random_.one_in(400);
        const TimePoint now = backwards ? world_.now - random_.between(1us, 5ms) : world_.now;
        ++outcome_.events;
        world_.told(event);
        calls_.push_back({now, std::move(event), {}});
        if (calls_.size() > remembered_calls) calls_.pop_front();
        auto& call = calls_.back();
        const auto* set = std::get_if<ApplySet>(&call.event);
        if (set != nullptr && ++applies_ % 5 != 0) set = nullptr;  // the comparison is dear
        const auto before = set != nullptr ? copy_of(*engine_) : nullptr;
        if (journal_) journal_->told(*engine_, call.event, now);
        call.actions = engine_->handle(call.event, now);
        if (journal_) journal_->did(*engine_, call.actions);
        if (set != nullptr) compare_with_full(*before, *set, call);
        outcome_.actions += call.actions.size();
        if (!call.actions.empty()) {
            ++busy_;
            last_action_ = world_.now;
        }
        note(call);
        compare_with_twin(call);
        carry_out(call);
        if (std::holds_alternative<TimePassed>(call.event)) check_deadline(now);
        if (random_.one_in(500)) save_and_load();
        if (journal_ && journal_->manager_dies()) succeed();
    }

    void carry_out(const Call& call) {
        rules_.note(call.event, call.actions, call.now);
        for (const auto& action : call.actions) {
            rules_.check(*engine_, action, call.now);
            world_.act(action, rules_.definition_for(*engine_, action));
        }
        rules_.finish(*engine_, call.now);
    }

    void check_deadline(TimePoint now) {
        const auto next = engine_->next_deadline();
        if (next && *next <= now) throw Violation{UnitId{}, "a deadline that stays due"};
    }

    // From here on the loaded engine is the one in charge; the saved one goes on beside it for a
    // while and must say the same.
    void save_and_load() {
        const auto saved = engine_->save();
        take_over(saved, through_bytes(*engine_, settings_));
        ++outcome_.reloads;
    }

    // As the successor of a killed manager comes by it.
    void succeed() {
        take_over(engine_->save(), journal_->successor(settings_, names()));
        ++outcome_.successions;
    }

    void take_over(const std::string& saved, Engine other) {
        auto loaded = std::make_unique<Engine>(std::move(other));
        if (const auto again = loaded->save(); again != saved) {
            throw Violation{UnitId{}, "load(save()) saves something else: " +
                                          difference(saved, again) + new_words(saved, again)};
        }
        if (loaded->next_deadline() != engine_->next_deadline()) {
            throw Violation{UnitId{},
                            "load() forgets a deadline: " + text_of(loaded->next_deadline()) +
                                ", not " + text_of(engine_->next_deadline())};
        }
        twin_ = std::exchange(engine_, std::move(loaded));
        twin_calls_ = 40;
    }

    std::string lines(const std::vector<Action>& list) {
        const auto name = names();
        std::string text;
        for (const auto& action : list) text += "    " + to_text(action, name) + '\n';
        return text;
    }

    std::unique_ptr<Engine> copy_of(const Engine& engine) {
        return std::make_unique<Engine>(
            Engine::load(settings_, engine.definitions(), engine.save()));
    }

    // A set is taken over by a look at what it changes. A look at all units must come to the same.
    void compare_with_full(Engine& before, ApplySet set, const Call& call) {
        set.anew = true;
        const auto actions = before.handle(set, call.now);
        if (lines(actions) != lines(call.actions)) {
            throw Violation{UnitId{}, "a look at all units at this apply would\n" + lines(actions)};
        }
        // Which of several supporters a unit remembers may differ until all look again.
        const auto after = copy_of(*engine_);
        set.restart.clear();
        const auto more = after->handle(set, call.now);
        const auto as_much = before.handle(set, call.now);
        const auto changed = after->save();
        const auto full = before.save();
        if (lines(more) != lines(as_much) || changed != full) {
            throw Violation{UnitId{},
                            "a look at all units at this apply comes to something else: " +
                                difference(changed, full) + new_words(changed, full) + "\n" +
                                lines(more) + "not\n" + lines(as_much)};
        }
    }

    void compare_with_twin(const Call& call) {
        if (!twin_) return;
        const auto actions = twin_->handle(call.event, call.now);
        if (lines(actions) != lines(call.actions)) {
            throw Violation{UnitId{},
                            "the loaded engine acts differently from the saved one, which would\n" +
                                lines(actions)};
        }
        if (twin_->next_deadline() != engine_->next_deadline()) {
            throw Violation{UnitId{},
                            "the loaded engine has another deadline than the saved one: " +
                                text_of(engine_->next_deadline()) + ", not " +
                                text_of(twin_->next_deadline())};
        }
        if (--twin_calls_ == 0) twin_.reset();
    }

    // The printable bytes before the first that differs: mostly the name of the unit it is of.
    static std::string difference(const std::string& a, const std::string& b) {
        const auto [at, other] = std::ranges::mismatch(a, b);
        const auto offset = at - a.begin();
        std::string before(a.begin() + std::max<std::ptrdiff_t>(0, offset - 120), at);
        std::ranges::replace_if(
            before, [](char c) { return c < ' ' || c > '~'; }, '.');
        return "at " + std::to_string(offset) + " of " + std::to_string(a.size()) + " and " +
               std::to_string(b.size()) + " after " + before;
    }

    static std::string new_words(const std::string& a, const std::string& b) {
        std::string text = "; only there:";
        for (std::size_t at = 0; at < b.size();) {
            std::size_t end = at;
            while (end < b.size() && std::isalnum(static_cast<unsigned char>(b[end]))) ++end;
            const auto word = b.substr(at, end - at);
            if (word.size() > 1 && a.find(word) == a.npos) text += ' ' + word;
            at = end + 1;
        }
        return text;
    }

    static std::string text_of(std::optional<TimePoint> time) {
        return time ? to_text(*time) : "none";
    }

    // ── what people do ─────────────────────────────────────────────────────────────────────────

    Caller caller() {
        Caller caller;
        if (!random_.one_in(8)) caller.id = RequestId{++requests_};
        caller.by = "uid " + std::to_string(random_.below(3));
        if (random_.chance(60)) caller.deadline = world_.now + random_.between(1ms, 30s);
        return caller;
    }
    Caller answered() {
        Caller caller = this->caller();
        if (caller.id == RequestId{}) caller.id = RequestId{++requests_};
        return caller;
    }

    ShutdownRequest::Haste haste() {
        return random_.one_in(6) ? ShutdownRequest::Haste::force
                                 : static_cast<ShutdownRequest::Haste>(random_.below(2));
    }

    void disturb() {
        const auto what = random_.below(100);
        if (what < 55) {
            if (auto event = world_.disturb()) give(std::move(*event));
        } else if (what < 57) {
            change_set();
        } else if (what < 58) {
            jump();
        } else if (what < 59 && random_.one_in(20)) {
            give(ShutdownRequest{caller(), haste()});
        } else {
            request();
        }
    }

    void disturb_shutdown() {
        switch (random_.below(6)) {
            case 0: give(ShutdownRequest{caller(), haste()}); break;
            case 1: give(StartRequest{answered(), set_.any_name()}); break;
            case 2: give(StopRequest{answered(), set_.any_name()}); break;
            case 3: give(KillRequest{answered(), set_.any_name(), 9, true}); break;
            default:
                if (auto event = world_.disturb()) give(std::move(*event));
                break;
        }
    }

    // Years pass within one call: suspended for long, or a clock that means well.
    void jump() {
        if (!random_.one_in(4)) return;
        world_.now += random_.one_in(2) ? Duration{24h * 365 * 10} : random_.between(1s, 10min);
        if (random_.one_in(2)) give(TimePassed{});
    }

    void change_set() {
        if (random_.one_in(3)) {
            if (auto unit = set_.add()) {
                give(AddUnit{std::move(unit)});
            }
            return;
        }
        auto changed = set_.change();
        std::erase_if(changed, [&](const auto&) { return !random_.one_in(3); });
        apply(set_.units(), std::move(changed));
    }

    void apply(std::vector<units::UnitPtr> units, std::vector<std::string> restart) {
        const auto& masked = set_.masked();
        const auto is_masked = [&](const std::string& name) {
            return std::ranges::find(masked, name) != masked.end();
        };
        std::erase_if(units, [&](const auto& unit) { return is_masked(unit->name); });
        std::erase_if(restart, is_masked);
        give(ApplySet{std::move(units), masked, std::move(restart), {}});
    }

    void request() {
        const auto name = set_.any_name();
        switch (random_.below(26)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
            case 5: give(StartRequest{caller(), name}); break;
            case 6:
            case 7:
            case 8:
            case 9: give(StopRequest{caller(), name}); break;
            case 10:
            case 11: give(RestartRequest{answered(), name, random_.one_in(3)}); break;
            case 12:
            case 13: give(ReloadRequest{caller(), name}); break;
            case 14:
                if (random_.one_in(6))
                    give(IsolateRequest{answered(), random_.one_in(2) ? "default.target" : name});
                break;
            case 15: give(KillRequest{caller(), name, kill_signal(), random_.one_in(2)}); break;
            case 16: wait(name); break;
            case 17: give(ResetFailedRequest{caller(), random_.one_in(3) ? "" : name}); break;
            case 18: give(ForgetRequest{caller(), name}); break;
            case 19:
            case 20:
            case 21: give(EventRequest{caller(), set_.event_name(), random_.chance(60)}); break;
            case 22: give(WaitEventRequest{caller(), set_.event_name()}); break;
            case 23: run_transient(); break;
            case 24:
                if (requests_ > 0) give(CancelRequest{RequestId{1 + random_.below(requests_)}});
                break;
            default: give(StartRequest{caller(), "default.target"}); break;
        }
    }

    int kill_signal() {
        static const std::vector<int> signals{15, 15, 9, 1, 10, 6};
        return random_.of(signals);
    }

    void wait(const std::string& name) {
        std::vector<std::string> units{name};
        if (random_.one_in(2)) units.push_back(set_.any_name());
        give(WaitRequest{caller(), std::move(units)});
    }

    void run_transient() {
        auto unit = set_.transient();
        give(RunRequest{answered(), std::move(unit)});
    }

    // ── telling about it ───────────────────────────────────────────────────────────────────────

    NameOf names() {
        return [this](UnitId unit) { return rules_.name(*engine_, unit); };
    }

    void note(const Call& call) {
        if (!options_.hash && !options_.transcript) return;
        const auto text = lines(call);
        if (options_.transcript) std::cerr << text;
        outcome_.hash = mix(outcome_.hash, text);
    }

    std::string lines(const Call& call) {
        const auto name = names();
        std::string text = to_text(call.now) + "  " + to_text(call.event, name) + '\n';
        for (const auto& action : call.actions) text += "    " + to_text(action, name) + '\n';
        return text;
    }

    std::string unrest() {
        std::string text = "does not come to rest:";
        for (const auto unit : engine_->all()) {
            const auto view = engine_->view(unit);
            if (view.state == State::backoff || view.state == State::starting ||
                view.state == State::stopping || view.state == State::killing) {
                text +=
                    ' ' + rules_.name(*engine_, unit) + ' ' + std::string{to_string(view.state)};
            }
        }
        return text;
    }

    // The last calls that speak of the unit and its neighbours, then the very last ones.
    std::string describe(const Violation& violation) {
        std::ostringstream out;
        const auto unit = rules_.name(*engine_, violation.unit);
        out << (violation.unit == UnitId{} ? "" : unit + " ") << violation.what() << "\n";
        const auto related = rules_.neighbours(unit);
        const auto speaks = [&](const std::string& text) {
            return std::ranges::any_of(related, [&](const auto& name) {
                for (auto at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
                    const auto end = at + name.size();
                    const bool whole = (at == 0 || !std::isalnum(text[at - 1])) &&
                                       (end >= text.size() || !std::isdigit(text[end]));
                    if (whole) return true;
                }
                return false;
            });
        };
        std::deque<std::string> shown;
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            const auto text = lines(calls_[i]);
            if (i + 4 >= calls_.size() || speaks(text)) shown.push_back(text);
            if (shown.size() > 30) shown.pop_front();
        }
        for (const auto& text : shown) out << text;
        if (const auto id = engine_->find(unit)) out << explain(*id, world_.now);
        return out.str();
    }

    std::string status_of(const std::string& name) {
        const auto unit = engine_->find(name);
        if (!unit) return ": unknown";
        const auto view = engine_->view(*unit);
        return ": " + std::string{to_string(view.state)} + ", asked " +
               std::string{to_string(view.asked)} + (view.wanted ? ", wanted" : "") +
               (view.masked ? ", masked" : "") + (view.definition ? "" : ", missing") +
               (view.stale ? ", stale" : "");
    }

    // The unit, and what its relations lead to: what a person would look up next.
    std::string explain(UnitId unit, TimePoint now) {
        std::ostringstream out;
        std::vector<std::pair<UnitId, int>> left{{unit, 0}};
        for (std::size_t i = 0; i < left.size() && i < 12; ++i) {
            const auto [id, depth] = left[i];
            const auto definition = engine_->definition_of_run(id);
            const auto name = rules_.name(*engine_, id);
            out << "  " << name << status_of(name) << '\n';
            for (const auto& link : definition ? definition->links : std::vector<units::Link>{}) {
                out << "    " << units::to_string(link.relation) << ' ' << link.unit
                    << (link.ordered ? "" : " (no order)") << status_of(link.unit) << '\n';
                const auto other = engine_->find(link.unit);
                const bool listed = std::ranges::any_of(
                    left, [&](const auto& entry) { return other && entry.first == *other; });
                if (other && !listed && depth < 2) left.emplace_back(*other, depth + 1);
            }
            for (const auto& gate :
                 definition ? definition->predicates->gate : std::vector<units::Predicate>{}) {
                out << "    gate " << units::to_string(gate) << '\n';
            }
            if (depth == 0) out << named_by(id);
            for (const auto& reason : engine_->why(id, now)) {
                out << "    why: " << reason.kind << ' ' << reason.what << '\n';
            }
        }
        return out.str();
    }

    std::string named_by(UnitId unit) {
        std::ostringstream out;
        for (const auto other : engine_->all()) {
            const auto theirs = engine_->definition_of_run(other);
            for (const auto& link : theirs ? theirs->links : std::vector<units::Link>{}) {
                if (engine_->find(link.unit) != unit) continue;
                out << "    named by " << theirs->name << ": " << units::to_string(link.relation)
                    << (theirs->enabled ? "" : " (not enabled)") << status_of(theirs->name) << '\n';
            }
        }
        return out.str();
    }

    EpisodeOptions options_;
    Random random_;
    RandomSet set_;
    World world_;
    Settings settings_;
    Rules rules_{world_, settings_};
    std::unique_ptr<Engine> engine_ = std::make_unique<Engine>(settings_);
    std::unique_ptr<Engine> twin_;
    int twin_calls_ = 0;
    unsigned applies_ = 0;
    std::uint64_t busy_ = 0;  // calls that had something to do
    TimePoint last_action_{};
    std::unique_ptr<SimJournal> journal_;
    std::deque<Call> calls_;
    std::uint32_t requests_ = 0;
    Outcome outcome_;
};

}  // namespace

Outcome run_episode(std::uint64_t seed, EpisodeOptions options) {
    return Episode{seed, options}.run();
}

}  // namespace reeve::sim
