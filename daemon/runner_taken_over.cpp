// The part of Runner for a manager that takes over from a dead one. The engine is deterministic:
// it handles again what the journal says the other was told, while the shell stands still and only
// remembers what it was asked to do; then the shell looks what is so, and goes on from there.
#include <sys/epoll.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/runner.hpp"
#include "daemon/successor.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/log.hpp"
#include "units/archive.hpp"

namespace reeve {

namespace {

// What a note of the journal is about.
enum class Note : std::uint8_t { status, request, reexec, failed, apply };
constexpr Note last_of(Note) noexcept {
    return Note::apply;
}

// Where we were started from; what lies there now may be another.
std::string own_binary() {
    std::error_code error;
    std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
    constexpr std::string_view replaced = " (deleted)";
    if (path.ends_with(replaced)) path.resize(path.size() - replaced.size());
    return path;
}

// Those that came to nothing for want of memory, and left all as it was.
std::set<std::uint64_t> failed_events(const std::vector<journal::Entry>& entries) {
    std::set<std::uint64_t> failed;
    for (const auto& entry : entries) {
        if (!entry.note) continue;
        archive::Reader in{*entry.note};
        if (in.read<Note>() == Note::failed) failed.insert(in.read<std::uint64_t>());
    }
    return failed;
}

constexpr const char* keeper_died =
    "reeve-init died before it could start the other; this manager goes on, and outlives nothing "
    "until reeve-init is started again";

}  // namespace

void Runner::take_over(Ledger::Past past, core::TimePoint fetched) {
    using Part = AttachTime::Part;
    attached_.emplace(
        core::TimePoint{std::chrono::microseconds{custodian_->header().died_at / 1000}});
    attached_->ends(Part::begin, began_);
    attached_->ends(Part::fetch, fetched);
    attached_->ends(Part::recover, now());
    gates_.stand_still();
    restore(past.snapshot);
    const auto failed = failed_events(past.since);
    for (auto& entry : past.since) {
        if (failed.contains(entry.sequence)) continue;
        if (entry.note) {
            remember_note(*entry.note);
            continue;
        }
        Fed fed{std::move(entry.event), entry.at, entry.sequence};
        if (fed.number <= past.done)
            remember(fed);
        else
            queue_.push_back(std::move(fed));
    }
    // The one it was at: what it had begun of that is done, but for the last, which may be.
    std::vector<core::Action> left;
    const bool was_at_one = past.begun > 0 && !queue_.empty();
    if (was_at_one) {
        left = remember(queue_.front(), past.begun - 1U);
        queue_.pop_front();
    }
    // What was told and not handled yet: the runs knew of it when it came.
    for (const Fed& fed : queue_) {
        runs_.remember(fed.event);
        remember_definitions(fed.event);
    }
    attached_->ends(Part::replay, now());
    resume();
    for (core::Action& action : left) posix::guarded("action", [&] { perform(action); });
    if (was_at_one) ledger_.done(past.done + 1);
    pump();
}

void Runner::attached() {
    attached_->ends(AttachTime::Part::resume, now());
    std::string parts;
    for (std::size_t i = 0; i < AttachTime::names.size(); ++i)
        parts +=
            fmt::format("{}{} {} us", i > 0 ? ", " : "", AttachTime::names[i], attached_->us(i));
    log::info("taken over: {} units, {} runs, {} us after the death of the one before ({})",
              engine_.all().size(), runs_.count(), attached_->total_us(), parts);
}

// Handles it again. Gives the actions from `done` on; those before are remembered, and so is a
// start that was begun: its slot tells what became of it.
std::vector<core::Action> Runner::remember(const Fed& fed, std::size_t done) {
    if (is_stale(fed.event)) return {};
    runs_.remember(fed.event);
    if (const auto* hindered = std::get_if<core::Hindered>(&fed.event)) {
        if (hindered->why.empty())
            hindered_.erase(hindered->unit);
        else
            hindered_[hindered->unit] = hindered->why;
    }
    remember_definitions(fed.event);
    std::vector<core::Action> actions = decide(fed);
    std::size_t first = std::min(done, actions.size());
    if (first < actions.size() && std::holds_alternative<core::Spawn>(actions[first])) ++first;
    for (std::size_t i = 0; i < first; ++i) remember(actions[i]);
    actions.erase(actions.begin(), actions.begin() + static_cast<std::ptrdiff_t>(first));
    return actions;
}

void Runner::remember(const core::Action& action) {
    std::visit([this](const auto& each) { remembers(each); }, action);
}

void Runner::remembers(const core::Spawn& action) {
    runs_.remember(action, result_for(action));
}

void Runner::remembers(const core::BeginRun& action) {
    runs_.remember(action, engine_.definition_of_run(action.unit));
}

void Runner::remembers(const core::Removed& action) {
    hindered_.erase(action.unit);
}

void Runner::note_failed(std::uint64_t event) {
    if (!custodian_) return;
    archive::Writer note;
    note(Note::failed, event);
    ledger_.note(note.finish());
}

void Runner::note_status(core::UnitId unit, core::RunId run, const std::string& text) {
    if (!custodian_) return;
    archive::Writer note;
    note(Note::status, unit, run, text);
    ledger_.note(note.finish());
}

std::function<void(std::string)> Runner::record_of_requests() {
    if (!custodian_) return {};
    return [this](const std::string& change) {
        archive::Writer note;
        note(Note::request, change);
        ledger_.note(note.finish());
    };
}

void Runner::remember_note(std::string_view note) {
    archive::Reader in{note};
    switch (in.read<Note>()) {
        case Note::status: {
            const auto unit = in.read<core::UnitId>();
            const auto run = in.read<core::RunId>();
            runs_.remember_status(unit, run, in.read<std::string>());
            break;
        }
        case Note::request: bus_->replay(in.read<std::string>()); break;
        case Note::reexec: by_reexec_ = true; break;
        case Note::failed: break;  // see failed_events()
        case Note::apply: {
            Applied applied;
            in(applied.request, applied.outcome.applied, applied.outcome.report);
            foretold_ = std::move(applied);
            definitions_.foretell(in.read<std::string>());
            break;
        }
    }
}

std::string Runner::note_of_apply(const Applied& applied, const std::string& definitions) {
    archive::Writer note;
    note(Note::apply, applied.request, applied.outcome.applied, applied.outcome.report,
         definitions);
    return note.finish();
}

bool Runner::can_roll_back(const Ledger::Past& past) {
    const auto failed = failed_events(past.since);
    bool changes = true;  // the next set
    for (const journal::Entry& entry : past.since) {
        if (entry.note) {
            archive::Reader in{*entry.note};
            if (in.read<Note>() != Note::apply) continue;
            Applied applied;
            in(applied.request, applied.outcome.applied, applied.outcome.report);
            changes = Definitions::changes(in.read<std::string>());
        } else if (std::holds_alternative<core::ApplySet>(entry.event)) {
            if (changes && !failed.contains(entry.sequence)) return true;
        }
    }
    archive::Reader shell{past.snapshot.shell};
    return Definitions::has_before(shell.read<std::string>());
}

void Runner::remember_definitions(const core::Event& event) {
    definitions_.remember(event);
    if (std::holds_alternative<core::ApplySet>(event))
        to_answer_ = std::exchange(foretold_, std::nullopt);
}

// ── another binary ─────────────────────────────────────────────────────────────────────────────

// It reads a snapshot and nothing else, so that only the forms of that are to be understood.
void Runner::reexec(const std::string& binary, std::function<void(std::string)> refused) {
    if (!has_keeper()) return bus::Backend::reexec(binary, std::move(refused));
    const std::string path = binary.empty() ? own_binary() : binary;
    if (path.empty() || path.front() != '/')
        return refused((path.empty() ? "the own binary is not known" : path) +
                       ": name the binary by its whole path, --binary PATH");
    if (path.size() >= init::most_path)
        return refused("the path of the binary is too long; put it elsewhere");
    auto answer = std::make_shared<std::string>();
    worker_.submit(
        [answer, path, state = custodian_->state_fd()] { *answer = ask_successor(path, state); },
        [this, answer, path, refused = std::move(refused)] {
            if (!answer->empty()) return refused(*answer);
            refuse_reexec_.push_back(refused);
            try {
                give_way_to(path);
            } catch (const std::exception& e) {
                refuse_reexec(e.what());
            }
        });
}

bool Runner::has_keeper() const {
    return custodian_ && !keeper_gone_ &&
           static_cast<std::uint32_t>(::getppid()) == custodian_->header().keeper_pid;
}

void Runner::refuse_reexec(const std::string& why) {
    for (const auto& refused : std::exchange(refuse_reexec_, {})) refused(why);
}

void Runner::give_way_to(const std::string& binary) {
    if (!has_keeper()) return refuse_reexec(keeper_died);
    pump();
    ledger_.take(snapshot());
    archive::Writer note;
    note(Note::reexec);
    ledger_.note(note.finish());
    log::info("gives way to {}", binary);
    custodian_->reexec(binary);
}

// ── the keeper ─────────────────────────────────────────────────────────────────────────────────

void Runner::watch_keeper() {
    loop_.watch(
        custodian_->exits_fd(), EPOLLIN,
        [this](std::uint32_t) {
            custodian_->exits_seen();
            runs_.exits_stored();
        },
        "exits");
    loop_.set_work_hooks([this] { custodian_->work_begins(); },
                         [this] { custodian_->work_ends(); });
    watch_socket(false);
}

// EPOLLHUP comes in any case.
void Runner::watch_socket(bool busy) {
    keeper_busy_ = busy;
    loop_.watch(
        custodian_->socket_fd(), busy ? EPOLLOUT : 0U,
        [this](std::uint32_t events) {
            if ((events & EPOLLHUP) != 0) return keeper_has_gone();
            custodian_->flush();
            tend_keeper();
            runs_.start_next();
        },
        "keeper");
}

// What waits for room in its socket goes when there is some.
void Runner::tend_keeper() {
    if (custodian_ && custodian_->busy() != keeper_busy_) watch_socket(custodian_->busy());
}

void Runner::keeper_has_gone() {
    keeper_gone_ = true;
    loop_.unwatch(custodian_->socket_fd());
    runs_.keeper_has_gone();
    log::error(
        "the keeper is gone: if the manager dies now, its services are on their own; "
        "start reeve-init again");
    refuse_reexec(keeper_died);
}

// What is so, now that it is known what the other knew.
void Runner::resume() {
    runs_.resume(engine_, std::move(kept_));
    attached_->ends(AttachTime::Part::adopt, now());
    gates_.resume();
    if (by_reexec_) bus_->came_up_by_reexec();
    if (to_answer_) bus_->applied(to_answer_->request, to_answer_->outcome);
    bus_->resume();
    bus_->took_over(
        core::TimePoint{std::chrono::microseconds{custodian_->header().died_at / 1000}});
    accounts_.refresh();  // then check_accounts(): until then what hindered is what is known
    if (complete_) on(*complete_);
}

// ── the whole, in a snapshot ───────────────────────────────────────────────────────────────────

journal::Snapshot Runner::snapshot() const {
    archive::Writer rest;
    rest(definitions_.save(), gates_.save(), runs_.save(), bus_->save(), exit_code_.has_value(),
         exit_code_.value_or(0));
    rest(complete_.has_value(), complete_ && complete_->in_time, hindered_.size());
    for (const auto& [unit, why] : hindered_) rest(unit, why);
    return {engine_.definitions(), engine_.save(), rest.finish()};
}

void Runner::restore(const journal::Snapshot& snapshot) {
    engine_ = core::Engine::load(core_settings(), snapshot.definitions, snapshot.engine);
    archive::Reader rest{snapshot.shell};
    definitions_.load(rest.read<std::string>(), engine_);
    gates_.load(rest.read<std::string>(), engine_);
    runs_.load(rest.read<std::string>(), engine_);
    bus_->load(rest.read<std::string>());
    const auto ends = rest.read<bool>();
    const auto code = rest.read<int>();
    if (ends) exit_code_ = code;
    const auto complete = rest.read<bool>();
    const auto in_time = rest.read<bool>();
    if (complete) complete_ = core::ShutdownComplete{in_time};
    for (auto count = rest.read<std::size_t>(); count > 0; --count) {
        const auto unit = rest.read<core::UnitId>();
        hindered_[unit] = rest.read<std::string>();
    }
    rest.finish();
}

}  // namespace reeve
