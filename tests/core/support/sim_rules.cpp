#include "tests/core/support/sim_rules.hpp"

#include <algorithm>
#include <cmath>

namespace reeve::sim {

using namespace core;
using namespace std::chrono_literals;
using units::Phase;
using units::Relation;
using units::Type;

namespace {

std::string text(State state) {
    return std::string{to_string(state)};
}

bool tolerates_rest(const Node& node) {
    return node.of_run && node.of_run->service &&
           (node.of_run->service->kill_mode == units::KillMode::process ||
            node.of_run->service->kill_mode == units::KillMode::none);
}

}  // namespace

// ── what an event changes by itself ────────────────────────────────────────────────────────────

void Rules::note(const Event& event, const std::vector<Action>& actions, TimePoint now) {
    graph_.changed();
    graph_.within_call = true;
    touched_.clear();
    refused_.clear();
    triggered_.clear();
    conflicts_go_ = false;
    for (const auto index : moving_) {
        graph_.nodes[index].moves = graph_.nodes[index].came_up = false;
    }
    moving_.clear();
    for (const auto& action : actions) {
        const auto* answer = std::get_if<Answer>(&action);
        if (answer && (answer->verdict == Answer::Verdict::refused ||
                       answer->verdict == Answer::Verdict::masked ||
                       answer->verdict == Answer::Verdict::unknown_unit)) {
            refused_.insert(answer->id);
        }
    }
    note_request(event);
    if (const auto* set = std::get_if<ApplySet>(&event)) {
        note_definitions(*set, now);
    }
    if (const auto* add = std::get_if<AddUnit>(&event)) define(add->unit, now);
    if (const auto* run = std::get_if<RunRequest>(&event)) {
        if (!refused_.contains(run->caller.id)) define(run->unit, now);
    }
    if (const auto* mark = std::get_if<EventRequest>(&event)) graph_.marks[mark->name] = mark->set;
    if (const auto* shutdown = std::get_if<ShutdownRequest>(&event)) {
        if (!graph_.shutting_down) shutdown_at_ = now;
        const bool orderly = shutdown->haste == ShutdownRequest::Haste::orderly;
        graph_.joining = orderly && (graph_.joining || !graph_.shutting_down);
        graph_.shutting_down = true;
        forced_ = forced_ || shutdown->haste == ShutdownRequest::Haste::force;
    }
    note_moves(actions);
    graph_.link();
    new_units_ = std::holds_alternative<ApplySet>(event) ||
                 std::holds_alternative<AddUnit>(event) ||
                 std::holds_alternative<RunRequest>(event);
}

// What moves within the call, and from where on what the engine says of wishes is so already.
void Rules::note_moves(const std::vector<Action>& actions) {
    const auto asks = [](const units::UnitPtr& definition) {
        if (!definition) return false;
        const bool then =
            definition->service && definition->service->limit->then == units::Limit::Then::start;
        return then || std::ranges::any_of(definition->links, [](const units::Link& link) {
                   return link.relation == Relation::on_failure ||
                          link.relation == Relation::on_success;
               });
    };
    at_ = sure_from_ = 0;
    for (std::size_t i = 0; i < actions.size(); ++i) {
        const auto* report = std::get_if<Report>(&actions[i]);
        if (!report) continue;
        const auto* node = graph_.seen(report->unit);
        // On-failure, on-success and limits ask for others, at some time after this.
        if (is_at_rest(report->to) && (!node || asks(node->of_run) || asks(node->current))) {
            sure_from_ = actions.size();
        }
        if (!node) continue;
        // What ends with an old definition wants others no more from then on.
        const bool stale = is_running(report->from) && node->of_run != node->current;
        // What was to come back and is skipped, or fails its assert, comes to rest: it too.
        const bool rests = !is_running(report->from) && is_at_rest(report->to);
        if ((stale && !is_running(report->to)) || rests) sure_from_ = std::max(sure_from_, i + 1);
        moving_.push_back(graph_.by_name(node->name));
        graph_.nodes[moving_.back()].moves = true;
    }
}

void Rules::begin_request(const Caller& caller, Kind kind) {
    if (caller.id != RequestId{}) open_[caller.id] = {kind, caller.deadline};
}

void Rules::note_request(const Event& event) {
    std::visit(
        [&](const auto& e) {
            using E = std::decay_t<decltype(e)>;
            if constexpr (requires { e.caller; }) {
                Kind kind = Kind::other;
                if constexpr (std::is_same_v<E, StartRequest>) kind = Kind::start;
                if constexpr (std::is_same_v<E, StopRequest>) kind = Kind::stop;
                if constexpr (std::is_same_v<E, WaitRequest>) {
                    // Of several each is waited for once; the first may be up again by then.
                    if (e.units.size() == 1) kind = Kind::wait;
                }
                if constexpr (std::is_same_v<E, RestartRequest>) {
                    kind = e.only_if_running ? Kind::try_restart : Kind::restart;
                }
                begin_request(e.caller, kind);
            }
            if constexpr (std::is_same_v<E, StartRequest> || std::is_same_v<E, RestartRequest> ||
                          std::is_same_v<E, IsolateRequest>) {
                auto& node = graph_.nodes[graph_.by_name(e.unit)];
                bool heard = !refused_.contains(e.caller.id);
                if constexpr (std::is_same_v<E, RestartRequest>) {
                    heard = heard && (!e.only_if_running || is_running(node.state));
                }
                if (heard) forget_counters(e.unit);
                conflicts_go_ = conflicts_go_ || heard;
                // Of one without an id nobody learns whether it was refused.
                if (heard && e.caller.id != RequestId{}) node.reset = false;
            }
            if constexpr (std::is_same_v<E, ResetFailedRequest>) {
                const auto meant = e.unit.empty() ? Graph::npos : graph_.by_name(e.unit);
                for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
                    auto& node = graph_.nodes[i];
                    if ((i == meant || meant == Graph::npos) && node.state == State::failed) {
                        node.forgotten = true;
                        node.starts.clear();
                    }
                }
            }
            // What is asked down loses `kept`, before anything else can make it forget that.
            if constexpr (std::is_same_v<E, StopRequest>)
                touched_.push_back(graph_.by_name(e.unit));
            if constexpr (std::is_same_v<E, RestartRequest>) {
                auto& node = graph_.nodes[graph_.by_name(e.unit)];
                if (is_running(node.state) && !refused_.contains(e.caller.id)) node.bounce = true;
            }
            if constexpr (std::is_same_v<E, IsolateRequest>) {
                if (refused_.contains(e.caller.id)) return;
                const auto target = graph_.by_name(e.unit);
                for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
                    auto& node = graph_.nodes[i];
                    const auto& definition = node.definition();
                    if (i != target && !(definition && definition->ignore_on_isolate)) {
                        node.kept = false;
                    }
                }
            }
            if constexpr (std::is_same_v<E, CancelRequest>) {
                if (open_.erase(e.id)) closed_.insert(e.id);
            }
        },
        event);
}

// "A request begins the count anew", of the unit and of what it requires or binds to.
void Rules::forget_counters(const std::string& name) {
    std::vector<std::size_t> left{graph_.by_name(name)};
    graph_.link();
    std::set<std::size_t> seen(left.begin(), left.end());
    while (!left.empty()) {
        auto& node = graph_.nodes[left.back()];
        left.pop_back();
        node.starts.clear();
        node.forgotten = node.lifted = true;
        if (!node.current || node.masked) continue;
        for (const auto& need : node.needs) {
            const bool pulled = std::ranges::find(node.pulls, need.to) != node.pulls.end();
            if (pulled && seen.insert(need.to).second) left.push_back(need.to);
        }
    }
}

// Asked up by the end of another, at some time from now within this call.
void Rules::trigger(const std::string& name) {
    forget_counters(name);
    triggered_.insert(name);
}

// True if it is another definition than the unit had, or has in its run.
bool Rules::define(const units::UnitPtr& unit, TimePoint now) {
    for (const auto& alias : unit->aliases) graph_.set_alias(alias, unit->name);
    auto& node = graph_.nodes[graph_.by_name(unit->name)];
    graph_.links_changed();
    if (node.current && same_definition(*node.current, *unit)) return false;
    node.current = unit;
    node.defined = now;
    node.starts.clear();  // not counted where the old definition had no limit
    if (is_running(node.state)) return !same_definition(*node.of_run, *unit);
    node.forgotten = true;  // another definition is another try
    node.reset = false;
    return true;
}

void Rules::note_definitions(const ApplySet& set, TimePoint now) {
    std::set<std::string> names;
    for (const auto& unit : set.units) names.insert(unit->name);
    for (auto& node : graph_.nodes) {
        node.masked = std::ranges::find(set.masked, node.name) != set.masked.end();
        if (node.current && node.current->transient) continue;
        if (!names.contains(node.name)) node.current = nullptr;
    }
    graph_.drop_aliases();
    std::set<std::string> changed;
    for (const auto& unit : set.units) {
        if (define(unit, now)) changed.insert(unit->name);
    }
    for (const auto& name : set.masked) {
        auto& node = graph_.nodes[graph_.by_name(name)];
        node.masked = true;
        node.reset = false;
    }
    for (const auto& name : set.restart) {
        if (!changed.contains(name)) continue;
        auto& node = graph_.nodes[graph_.by_name(name)];
        if (is_running(node.state)) node.bounce = true;
        forget_counters(name);
    }
    graph_.links_changed();
}

// ── actions ────────────────────────────────────────────────────────────────────────────────────

// Time that goes back a little stands still for the core.
TimePoint Rules::advance(TimePoint now) {
    latest_ = std::max(latest_, now);
    return latest_;
}

void Rules::check(const Engine& engine, const Action& action, TimePoint told) {
    const TimePoint now = advance(told);
    graph_.wishes_move = unsure_ = at_++ < sure_from_;
    if (const auto* report = std::get_if<Report>(&action)) {
        on(engine, *report, now);
    } else if (const auto* answer = std::get_if<Answer>(&action)) {
        on(engine, *answer, now);
    } else if (const auto* spawn = std::get_if<Spawn>(&action)) {
        const auto& node = graph_.nodes[graph_.by_id(engine, spawn->process.unit)];
        if (!is_running(node.state)) throw Violation{node.id, "spawns though it does not run"};
        if (node.run != spawn->process.run) throw Violation{node.id, "spawns for another run"};
        const bool going = node.state == State::stopping || node.state == State::killing;
        const bool ends = spawn->phase == Phase::stop || spawn->phase == Phase::stop_post;
        if (going != ends && !(ends && node.state != State::up)) {
            throw Violation{node.id, "spawns " + std::string{units::to_string(spawn->phase)} +
                                         " while " + text(node.state)};
        }
    } else if (const auto* removed = std::get_if<Removed>(&action)) {
        graph_.by_id(engine, removed->unit);
        graph_.forget_id(removed->unit);
        graph_.link();
    } else if (const auto* complete = std::get_if<ShutdownComplete>(&action)) {
        if (!graph_.shutting_down) throw Violation{UnitId{}, "a shutdown nobody asked for"};
        const auto late = now - shutdown_at_ >= settings_.shutdown_deadline;
        if (!complete->in_time && !late && !forced_) {
            throw Violation{UnitId{}, "shutdown claims to be late and is not"};
        }
        complete_ = true;
        late_ = !complete->in_time;
    } else if (const auto* event = std::get_if<EventReport>(&action)) {
        // `limit.then = "event:X"` marks it; so does a request, which note() has seen.
        if (event->set) look_at_mark(engine, event->name);
    }
}

void Rules::look_at_mark(const Engine& engine, const std::string& event) {
    const auto views = engine.events();
    const auto view = std::ranges::find(views, event, &EventView::name);
    if (view != views.end() && view->marked) graph_.marks[event] = true;
}

void Rules::on(const Engine& engine, const Report& report, TimePoint now) {
    const auto index = graph_.by_id(engine, report.unit);
    {
        const auto& node = graph_.nodes[index];
        check_transition(node, report);
    }
    const bool ran = is_running(report.from);
    const bool runs = is_running(report.to);
    if (runs && !ran) check_start(engine, index, now);
    auto& node = graph_.nodes[index];
    if (runs && !ran) {
        if (report.run == RunId{} || report.run <= node.run) {
            throw Violation{node.id, "a run whose number does not grow"};
        }
        node.of_run = node.current;
        node.run = report.run;
        node.kept = true;
        node.kept_in_doubt = false;
        node.starts.push_back(now);
        ++starts;
        bind(node);
    }
    const bool told = report.to == State::stopping || report.to == State::killing;
    if (told && ran && report.from != State::stopping && report.from != State::killing) {
        check_go(engine, index, now);
    }
    if (report.to == State::up || report.to == State::done) node.came_up = true;
    if (report.to == State::up && report.from != State::reloading) {
        check_up(node);
        node.up_since = now;
    }
    if (ran && !runs) {
        check_gone(node);
        node.bounce = false;
        node.bonds.clear();
    }
    if (report.from == State::backoff && !node.forgotten && !graph_.shutting_down &&
        (report.to == State::starting || report.to == State::waiting) && now < node.next_start) {
        // By decision it goes from there at once.
        if (!graph_.must_go(engine, index, false))
            throw Violation{node.id, "starts before its back-off is over"};
    }
    if (report.to == State::backoff) check_backoff(engine, node, now);
    if (is_at_rest(report.to)) {
        node.kept = false;
        node.forgotten = true;
        const auto& definition = node.definition();  // still that of where it comes from
        for (const auto& link : definition->links) {
            if (link.relation == Relation::on_failure || link.relation == Relation::on_success) {
                trigger(link.unit);
            }
        }
        if (definition->service) {
            const auto& limit = *definition->service->limit;
            if (limit.then == units::Limit::Then::start) trigger(limit.argument);
            if (limit.then == units::Limit::Then::event) look_at_mark(engine, limit.argument);
        }
    }
    auto& after = graph_.nodes[index];
    const bool stale = after.of_run != after.current;
    after.state = report.to;
    after.reset = report.reason == "reset-failed";
    after.lifted = false;
    after.since = now;
    if (is_up(report.to) && !is_up(report.from)) graph_.came_up(index);
    if (ran && !runs && stale) graph_.links_changed();
    if (ran && !runs) after.up_since = TimePoint::max();
    if (ran && !runs && !after.current) graph_.drop_aliases();
    graph_.link();
    touched_.push_back(index);
}

void Rules::check_transition(const Node& node, const Report& report) const {
    const auto fail = [&](const std::string& why) {
        throw Violation{report.unit, why + ": " + text(report.from) + " -> " + text(report.to)};
    };
    if (report.from != node.state)
        fail("reports to come from where it was not (" + text(node.state) + ")");
    if (report.from == report.to) fail("reports a change that is none");
    using S = State;
    bool fine = false;
    switch (report.from) {
        case S::down:
            fine = report.to != S::stopping && report.to != S::killing && report.to != S::backoff &&
                   report.to != S::reloading;
            break;
        case S::waiting:
            fine = report.to == S::down || report.to == S::starting || report.to == S::up ||
                   is_at_rest(report.to);
            break;
        case S::backoff:
            fine = report.to == S::down || report.to == S::waiting || report.to == S::starting ||
                   report.to == S::up || is_at_rest(report.to);
            break;
        case S::starting: fine = report.to != S::reloading; break;
        case S::up: fine = report.to != S::starting; break;
        case S::reloading: fine = report.to != S::starting; break;
        case S::stopping: fine = report.to == S::killing || !is_running(report.to); break;
        case S::killing: fine = !is_running(report.to); break;
        case S::done:
        case S::failed:
            fine = report.to == S::down || report.to == S::waiting || report.to == S::starting;
            break;
    }
    if (!fine) fail("no such change");
}

// ── starting ───────────────────────────────────────────────────────────────────────────────────

void Rules::check_start(const Engine& engine, std::size_t index, TimePoint now) {
    const auto& node = graph_.look(engine, index);
    const auto fail = [&](const std::string& why) {
        throw Violation{node.id, "starts, but " + why};
    };
    // What a trigger reaches is decided later in the call than its report: by then a unit that
    // ended has its new definition.
    if (node.reset && !node.lifted)
        for (const auto& name : triggered_) forget_counters(name);
    if (!node.current) fail("has no definition");
    if (node.masked) fail("is masked");
    if (node.reset && !node.lifted) fail("it was reset, and nobody has asked for it since");
    // A gate that held may be lost again within the same call, and then asks it down.
    const bool gated = node.gate_took;
    if (node.asked == Asked::down && !gated && !unsure_) fail("is asked down");
    if (!node.wanted && !unsure_ && !graph_.lost_to_a_gate(engine, index)) fail("nobody wants it");
    if (graph_.shutting_down) {
        if (!wanted_at_shutdown(node.name)) fail("a shutdown is under way");
        return check_limit(graph_.nodes[index], now);
    }
    if (!gated && !unsure_ && graph_.must_go(engine, index, true)) fail("it must go");
    if (const auto missing = graph_.missing_to_start(engine, index, unsure_); !missing.empty())
        fail(missing);
    if (world_.hindered(node.id)) fail("is hindered");
    const hal::HolderId holder{static_cast<std::uint64_t>(node.id)};
    if (!node.current->leases.empty() && !world_.leases().holds(holder)) fail("has no lease");
    check_tests(node);
    check_limit(graph_.nodes[index], now);
}

void Rules::check_tests(const Node& node) const {
    const auto& predicates = *node.current->predicates;
    if (predicates.condition.empty() && predicates.assertion.empty()) return;
    std::set<std::string> paths;
    collect_paths(predicates.condition, paths);
    collect_paths(predicates.assertion, paths);
    static const std::vector<std::string> none;
    const auto* tested = world_.tested(node.id);
    if (!paths.empty() && !tested)
        throw Violation{node.id, "starts, but its condition was not tested"};
    // With leases or idleness in between, what was tested may rightly have changed since.
    if (!node.current->leases.empty() || node.current->service == nullptr ||
        node.current->service->type == Type::idle) {
        return;
    }
    for (const auto* list : {&predicates.condition, &predicates.assertion}) {
        if (graph_.holds(*list, tested ? tested : &none) == Truth::no) {
            throw Violation{node.id, "starts, but its condition or assert does not hold"};
        }
    }
}

void Rules::check_limit(Node& node, TimePoint now) {
    if (!node.current->service) return;
    const auto& limit = *node.current->service->limit;
    if (limit.starts == 0) return;
    // Times may have gone backwards a little in between.
    const auto within = std::ranges::count_if(
        node.starts, [&](TimePoint start) { return now - start < limit.within - 1ms; });
    if (within >= limit.starts) throw Violation{node.id, "starts beyond its limit"};
}

void Rules::bind(Node& node) {
    node.bonds.clear();
    for (const auto& link : node.current->links) {
        if (link.relation != Relation::binds_to) continue;
        const auto to = graph_.by_name(link.unit);
        const bool up = is_up(graph_.nodes[to].state);
        node.bonds.push_back({to, up ? graph_.nodes[to].run : RunId{}, !up});
    }
}

void Rules::check_up(const Node& node) const {
    if (!node.of_run->service) return;
    const Run* run = world_.run_of(node.id);
    const auto fail = [&](const std::string& why) {
        throw Violation{node.id, "is up, but " + why};
    };
    if (!run || run->id != node.run) fail("this run has not begun");
    const Run::Process* main = nullptr;
    for (const auto& process : run->processes) {
        if (process.phase == Phase::main) main = &process;
        if (process.phase != Phase::main && !process.told_ended) fail("a command is not done");
        if (process.phase == Phase::main && node.of_run->service->type == Type::oneshot &&
            !process.told_ended) {
            fail("a command of the oneshot is not done");
        }
    }
    for (const auto phase : {Phase::start_pre, Phase::start_post}) {
        const auto declared =
            std::ranges::count(node.of_run->service->commands, phase, &units::Command::phase);
        if (run->next_command[static_cast<std::size_t>(phase)] != declared) {
            fail(std::string{units::to_string(phase)} + " was not run");
        }
    }
    // A command of a oneshot whose failure is ignored may not even have been started.
    const bool must_start = node.of_run->service->type != Type::oneshot;
    if (!main || (must_start && !main->told_started)) fail("no main process was started");
    switch (node.of_run->service->type) {
        case Type::simple:
        case Type::exec:
        case Type::idle: break;
        case Type::notify:
            if (!run->ready) fail("this run has not said that it is ready");
            break;
        case Type::forking:
            if (!run->main_known) fail("its main process is not known");
            break;
        case Type::oneshot:
            if (!node.of_run->service->remain_after_exit) fail("it does not remain after exit");
            break;
    }
}

// ── going ──────────────────────────────────────────────────────────────────────────────────────

bool Rules::ended_by_itself(const Node& node, TimePoint now) const {
    if (!node.of_run->service) return false;
    const auto& service = *node.of_run->service;
    if (const Run* run = world_.run_of(node.id); run && run->id == node.run) {
        if (run->main_ended || run->parent_ended || run->unclean || run->said_stopping ||
            run->trigger) {
            return true;
        }
    }
    const auto passed = [&](TimePoint from, Duration limit) {
        return limit != units::infinity && now - from >= limit;
    };
    if (node.state == State::starting && passed(node.since, service.start_timeout)) return true;
    if (node.up_since != TimePoint::max() && passed(node.up_since, service.run_timeout))
        return true;
    return service.watchdog.count() > 0 && node.up_since != TimePoint::max() &&
           passed(node.up_since, service.watchdog);
}

void Rules::check_go(const Engine& engine, std::size_t index, TimePoint now) {
    if (ended_by_itself(graph_.nodes[index], now)) return;
    const auto& node = graph_.nodes[index];
    if (!graph_.must_go(engine, index, false)) {
        throw Violation{node.id, "is told to go, though nothing says that it must"};
    }
    const bool late =
        graph_.shutting_down && (forced_ || now - shutdown_at_ >= settings_.shutdown_deadline);
    const bool by_shutdown = graph_.shutting_down && !graph_.must_go(engine, index, true) &&
                             !graph_.may_have_lost_gate(engine, index);
    for (const auto other : node.after) {
        if (late || !is_running(graph_.nodes[other].state)) continue;
        const auto cause = graph_.cause_to_go(engine, other, true);
        if (cause != Graph::npos ||
            (by_shutdown && !wanted_at_shutdown(graph_.nodes[other].name))) {
            throw Violation{
                node.id, "is told to go before " + graph_.nodes[other].name +
                             ", which is ordered after it, is gone" +
                             (cause == Graph::npos ? "" : "; cause: " + graph_.nodes[cause].name)};
        }
    }
}

void Rules::check_gone(const Node& node) const {
    const Run* run = world_.run_of(node.id);
    if (!run || run->id != node.run) return;  // EndRun came first, and was checked
    if (run->anything_outstanding()) {
        throw Violation{node.id, "is said to be gone, but a process has not ended"};
    }
    if (!run->gone() && !tolerates_rest(node)) {
        throw Violation{node.id, "is said to be gone, but was not told that nothing is left"};
    }
}

void Rules::check_backoff(const Engine& engine, Node& node, TimePoint now) {
    const auto view = engine.view(node.id);
    const bool still = view.state == State::backoff;  // and not on again within this call
    if (still && !view.next_start) throw Violation{node.id, "backs off for ever"};
    const auto& definition = node.of_run;
    const units::Backoff policy =
        definition->service ? *definition->service->backoff : units::Backoff{};
    const auto up_for = node.up_since == TimePoint::max() ? Duration{0} : now - node.up_since;
    if (!still) {  // it may have been asked for again since, and counts anew
        node.row = view.failures;
        node.forgotten = true;
        node.next_start = now;
        return;
    }
    const bool may_reset = node.forgotten || up_for >= policy.reset_after - 50ms;
    const bool must_reset = up_for >= policy.reset_after + 50ms;
    const auto n = view.failures;
    const bool fine =
        (n == node.row + 1 && !must_reset) || (n == 1 && (may_reset || node.row == 0));
    if (!fine) {
        throw Violation{node.id, "counts " + std::to_string(n) + " ends in a row after " +
                                     std::to_string(node.row)};
    }
    node.row = n;
    node.forgotten = false;
    const double factor = std::pow(policy.factor, static_cast<double>(n) - 1);
    const double wanted = std::min(static_cast<double>(policy.first.count()) * factor,
                                   static_cast<double>(policy.max.count()));
    const auto delay = static_cast<double>((*view.next_start - now).count());
    const bool as_written = std::abs(delay - wanted) <= 2 + wanted * 1e-9;
    const bool at_least = wanted < 100'000 && std::abs(delay - 100'000) <= 2;  // of a loss
    if (!as_written && !at_least) {
        throw Violation{node.id, "backs off for " + std::to_string(delay) + " µs, not " +
                                     std::to_string(wanted)};
    }
    node.next_start = *view.next_start;
}

// ── answers ────────────────────────────────────────────────────────────────────────────────────

void Rules::on(const Engine& engine, const Answer& answer, TimePoint now) {
    const auto it = open_.find(answer.id);
    if (it == open_.end()) {
        const bool cancelled = closed_.contains(answer.id);
        throw Violation{answer.unit, cancelled
                                         ? "answers a request twice, or one that was cancelled"
                                         : "answers what nobody asked"};
    }
    const Request request = it->second;
    open_.erase(it);
    closed_.insert(answer.id);
    if (answer.verdict == Answer::Verdict::still_waiting) {
        if (answer.text.empty()) throw Violation{answer.unit, "still waits, for nothing"};
        return;
    }
    if (answer.verdict != Answer::Verdict::done) return;
    (void)now;
    if (request.kind == Kind::other || request.kind == Kind::try_restart) return;
    const auto state = request.kind == Kind::wait
                           ? answer.state
                           : graph_.nodes[graph_.by_id(engine, answer.unit)].state;
    const bool up =
        is_up(state) || state == State::done ||
        (request.kind != Kind::wait && graph_.nodes[graph_.by_id(engine, answer.unit)].came_up);
    const bool at_rest = state == State::down || is_at_rest(state);
    const bool fine = request.kind == Kind::start || request.kind == Kind::restart ? up
                      : request.kind == Kind::wait                                 ? at_rest
                                                   : !is_running(state) && state != State::backoff;
    if (!fine) throw Violation{answer.unit, "answers done while " + text(state)};
}

void Rules::check_answers(const Engine& engine, TimePoint now) {
    const auto next = engine.next_deadline();
    if (next && *next <= now) return;  // it has not been told yet how late it is
    for (const auto& [id, request] : open_) {
        if (request.deadline <= now) {
            throw Violation{UnitId{}, "request #" + std::to_string(static_cast<std::uint64_t>(id)) +
                                          " was not answered at its deadline"};
        }
    }
}

// ── all of it ──────────────────────────────────────────────────────────────────────────────────

void Rules::finish(const Engine& engine, TimePoint told) {
    const TimePoint now = advance(told);
    graph_.within_call = false;
    graph_.see_whether_joined(engine);
    // Some of these starts were made before the count began anew; when that was is not told.
    for (const auto& name : triggered_) forget_counters(name);
    if (new_units_) {
        for (const auto unit : engine.all()) graph_.by_id(engine, unit);
    }
    for (const auto index : touched_) {
        check_state(engine, index, now);
        auto& node = graph_.nodes[index];
        if (node.known && node.asked == Asked::down) node.kept = false;
    }
    drop_kept(engine);
    since_sweep_ += 4;
    if (since_sweep_ < graph_.nodes.size()) return;
    since_sweep_ = 0;
    sweep(engine, now);
}

// What is asked down without a report of its own: by a start that it conflicts with, or for a gate.
void Rules::drop_kept(const Engine& engine) {
    const std::size_t started = triggered_.size() + (conflicts_go_ ? 1 : 0) + (new_units_ ? 1 : 0);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
        auto& node = graph_.nodes[i];
        if (!node.kept || !node.definition()) continue;
        const bool gated = node.definition()->predicates->gate_lost == units::GateLost::stop;
        if (started == 0 && !gated) continue;
        if (graph_.look(engine, i).asked == Asked::down) node.kept = false;
        // One start of this call may have asked it down, and the next cleared that.
        if (started > 1 && !node.conflicts.empty()) node.kept_in_doubt = true;
    }
}

void Rules::sweep(const Engine& engine, TimePoint now) {
    ++sweeps;
    check_answers(engine, now);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
        auto& node = graph_.look(engine, i);
        if (node.asked == Asked::down) node.kept = false;
    }
    if (graph_.shutting_down) return;
    if (const auto wrong = graph_.wrongly_wanted(); wrong != Graph::npos) {
        const auto& node = graph_.nodes[wrong];
        throw Violation{node.id, node.wanted ? "is said to be wanted, and is not"
                                             : "is wanted, and said not to be"};
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
        if (graph_.nodes[i].known) check_state(engine, i, now);
    }
}

void Rules::check_state(const Engine& engine, std::size_t index, TimePoint now) {
    const auto& node = graph_.look(engine, index);
    if (!node.known) return;
    const auto fail = [&](const std::string& why) { throw Violation{node.id, why}; };
    const auto view = engine.view(node.id);
    if (view.state != node.state) {
        fail("is " + text(view.state) + ", but was last reported " + text(node.state));
    }
    if (node.definition() && !is_running(node.state) && view.definition != node.current &&
        !(!view.definition && node.current->transient) &&  // forgotten, and somebody waits for it
        !(view.definition && node.current && same_definition(*view.definition, *node.current))) {
        fail("has another definition than was applied");
    }
    const Run* run = world_.run_of(node.id);
    if (run && !is_running(node.state) && !tolerates_rest(node))
        fail("is at rest with a run not ended");
    const hal::HolderId holder{static_cast<std::uint64_t>(node.id)};
    if (world_.leases().holds(holder) && !is_running(node.state) && !world_.asking(node.id) &&
        !run && !world_.left_over(node.id)) {
        fail("holds a lease while " + text(node.state));
    }
    if (graph_.shutting_down) return;
    switch (node.state) {
        case State::starting:
        case State::up:
        case State::reloading: check_must_go(engine, index); break;
        case State::waiting: check_waiting(engine, index, now); break;
        case State::down:
            if (node.wanted && node.current && !node.masked && !node.reset)
                fail("is wanted, but down");
            break;
        case State::backoff:
            if (!node.wanted || node.asked == Asked::down) fail("backs off, but nobody wants it");
            break;
        case State::stopping:
        case State::killing:
        case State::done:
        case State::failed: break;
    }
}

void Rules::check_must_go(const Engine& engine, std::size_t index) {
    if (!graph_.must_go(engine, index, true)) return;
    const auto& node = graph_.nodes[index];
    const bool held = std::ranges::any_of(node.after, [&](std::size_t other) {
        return is_running(graph_.nodes[other].state) && graph_.must_go(engine, other, false);
    });
    if (!held) throw Violation{node.id, "must go, nothing holds it up, and it is not told"};
}

void Rules::check_waiting(const Engine& engine, std::size_t index, TimePoint now) {
    const auto& node = graph_.nodes[index];
    if (!node.wanted) throw Violation{node.id, "waits, though nobody wants it"};
    if (engine.why(node.id, now).empty()) throw Violation{node.id, "waits for nothing"};
    const auto next = engine.next_deadline();
    const bool in_time = !next || *next > now;
    if (in_time && node.current && node.current->wait_timeout != units::infinity &&
        now - std::max(node.since, node.defined) > node.current->wait_timeout) {
        throw Violation{node.id, "waits longer than its wait-timeout"};
    }
    if (!node.current || node.masked || world_.testing(node.id) || world_.asking(node.id) ||
        world_.hindered(node.id)) {
        return;
    }
    if (node.current->service && node.current->service->type == Type::idle && !resting_) {
        return;
    }
    // News of a refusal and of devices may be on their way.
    if (!node.current->leases.empty() && !resting_) return;
    for (const auto& lease : node.current->leases) {
        if (!world_.told_device(lease.device)) return;
    }
    if (graph_.must_go(engine, index, false)) return;
    if (graph_.missing_to_start(engine, index).empty()) {
        throw Violation{node.id, "could start, and waits"};
    }
}

void Rules::at_rest(const Engine& engine, TimePoint now) {
    graph_.changed();
    resting_ = true;  // an idle unit has no reason left to wait
    sweep(engine, now);
    resting_ = false;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
        const auto& node = graph_.nodes[i];
        if (!node.known) continue;
        switch (node.state) {
            case State::starting:
            case State::stopping:
            case State::killing:
            case State::backoff:
            case State::reloading:
                throw Violation{node.id,
                                "nothing is under way, and it is still " + text(node.state)};
            case State::waiting:
                if (graph_.shutting_down) throw Violation{node.id, "waits during a shutdown"};
                // A gate whose path was never told though it is all that is missing.
                if (node.current && graph_.missing_to_start(engine, i).starts_with("gate") &&
                    graph_.holds(node.current->predicates->gate, nullptr) == Truth::unknown) {
                    throw Violation{node.id, "waits for a path that it does not watch"};
                }
                break;
            default: break;
        }
    }
}

void Rules::all_gone(const Engine& engine) {
    for (const auto& node : graph_.nodes) {
        if (forced_ || late_) break;
        // What the target `shutdown` has brought up may stay.
        if (node.known && is_running(engine.view(node.id).state) &&
            !wanted_at_shutdown(node.name)) {
            throw Violation{node.id, "runs after the shutdown is complete"};
        }
    }
    if (!open_.empty()) {
        throw Violation{UnitId{},
                        "request #" +
                            std::to_string(static_cast<std::uint64_t>(open_.begin()->first)) +
                            " was not answered before the end"};
    }
}

// ── small things ───────────────────────────────────────────────────────────────────────────────

units::UnitPtr Rules::definition_for(const Engine& engine, const Action& action) {
    std::optional<UnitId> unit;
    if (const auto* a = std::get_if<BeginRun>(&action)) unit = a->unit;
    if (const auto* b = std::get_if<WatchGate>(&action)) unit = b->unit;
    if (const auto* c = std::get_if<TestPredicates>(&action)) unit = c->unit;
    if (const auto* d = std::get_if<AskLeases>(&action)) unit = d->unit;
    return unit ? graph_.nodes[graph_.by_id(engine, *unit)].definition() : nullptr;
}

bool Rules::wanted_at_shutdown(const std::string& name) const {
    return name == "shutdown" || name == unit_name(0, 100);
}

std::vector<std::string> Rules::restless() const {
    std::vector<std::string> names;
    for (const auto& node : graph_.nodes) {
        if (node.known && is_running(node.state) && node.of_run->service &&
            node.of_run->service->run_timeout != units::infinity) {
            names.push_back(node.name);
        }
    }
    return names;
}

std::vector<std::string> Rules::running() const {
    std::vector<std::string> names;
    for (const auto& node : graph_.nodes) {
        if (node.known && is_running(node.state)) names.push_back(node.name);
    }
    return names;
}

std::string Rules::name(const Engine& engine, UnitId unit) const {
    if (const auto* node = graph_.seen(unit)) return node->name;
    const auto known = engine.name(unit);
    return known.empty() ? "unit" + std::to_string(static_cast<std::uint32_t>(unit))
                         : std::string{known};
}

std::vector<std::string> Rules::neighbours(const std::string& name) const {
    std::vector<std::string> names{name};
    for (const auto& node : graph_.nodes) {
        if (node.name != name) continue;
        for (const auto* links : {&node.pulls, &node.goes_with, &node.before, &node.conflicts}) {
            for (const auto other : *links) names.push_back(graph_.nodes[other].name);
        }
    }
    return names;
}

}  // namespace reeve::sim
