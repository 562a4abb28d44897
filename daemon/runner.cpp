#include "daemon/runner.hpp"

#include <csignal>
#include <filesystem>

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/json.hpp"
#include "daemon/os/instance_cgroup.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/log.hpp"

namespace reeve {

namespace {

units::LoadOptions load_options(const Options& options, const Settings& settings) {
    units::LoadOptions out;
    for (const auto& folder : options.unit_path) out.folders.emplace_back(folder);
    out.host = units::this_host();
    for (const std::string& problem : out.host.problems) log::warn("{}", problem);
    if (options.private_runtime) out.host.runtime_directory = options.runtime_dir;
    out.start_timeout = settings.start_timeout;
    out.stop_timeout = settings.stop_timeout;
    out.defaults = settings.defaults;
    return out;
}

os::Logs::Options log_options(const Options& options, const Settings& settings,
                              os::Custodian* custodian) {
    os::Logs::Options out{options.log_directory, settings.log_ring, settings.log_total};
    if (custodian == nullptr) return out;
    out.keep = [custodian](core::UnitId unit, core::RunId run, init::Kind kind, int fd) {
        custodian->keep(key_of(unit, run, kind), fd);
    };
    out.drop = [custodian](core::UnitId unit, core::RunId run, init::Kind kind) {
        custodian->drop(key_of(unit, run, kind));
    };
    return out;
}

// Names this instance among those that live side by side, for as long as it lives: by its runtime
// folder and its first process.
std::string instance_name(const Options& options, pid_t first, bool with_keeper) {
    const auto hash = std::hash<std::string>{}(options.runtime_dir);
    const auto family = fmt::format("{:08x}", static_cast<std::uint32_t>(hash));
    // What the keeper before us had, which died with its manager, is ours.
    const std::string left = with_keeper ? os::orphaned_instance(family) : std::string{};
    return left.empty() ? fmt::format("{}-{}", family, first) : left;
}

Runs::Places places(const Options& options, const Settings& settings, bool with_keeper) {
    const char* xdg = std::getenv("XDG_RUNTIME_DIR");
    std::string base = "/run";
    if (options.private_runtime)
        base = options.runtime_dir;
    else if (!options.system && xdg)
        base = xdg;
    const pid_t first = with_keeper ? ::getppid() : ::getpid();
    return {instance_name(options, first, with_keeper), options.runtime_dir, base,
            options.state_directory, settings.environment};
}

// Made before anything else; sockets of a run are below it.
const Options& with_folders(const Options& options) {
    // One after the other, so that it is the first error that is told.
    for (const auto& folder : {options.runtime_dir, options.runtime_dir + "/notify"}) {
        std::error_code error;
        std::filesystem::create_directories(folder, error);
        if (error) throw std::system_error{error, "make " + folder};
    }
    const mode_t mode = options.system ? 0755 : 0700;
    if (!options.private_runtime) ::chmod(options.runtime_dir.c_str(), mode);
    return options;
}

std::string bus_address(const std::string& bus) {
    const auto env_or = [](const char* name, std::string fallback) {
        const char* value = std::getenv(name);
        return value && *value ? std::string{value} : std::move(fallback);
    };
    if (bus == "none") return {};
    if (bus == "system")
        return env_or("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket");
    if (bus != "session") return bus;
    const std::string runtime = env_or("XDG_RUNTIME_DIR", "");
    return env_or("DBUS_SESSION_BUS_ADDRESS",
                  runtime.empty() ? std::string{} : "unix:path=" + runtime + "/bus");
}

// False again at the end, whatever is thrown.
struct Restore {
    explicit Restore(bool& flag) : flag_{flag} {}
    ~Restore() { flag_ = false; }
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;

private:
    bool& flag_;
};

void log_outcome(const Plan& plan) {
    if (!plan.failed.empty())
        log::error("apply failed: {}; the old set runs on", plan.failed);
    else if (plan.is_refused())
        log::error("apply refused: {} unit files have problems; the old set runs on",
                   plan.refused.size());
    else
        log::info("applied{}: {} added, {} removed, {} changed, {} restarted, {} stale",
                  plan.rolled_back ? " the set before" : "", plan.added.size(), plan.removed.size(),
                  plan.changed.size(), plan.restarted.size(), plan.stale.size());
}

std::map<std::string, std::uint32_t> devices_of(const core::ApplySet& set) {
    std::map<std::string, std::uint32_t> devices;
    for (const auto& unit : set.units)
        if (unit->kind == units::Kind::device) devices[unit->name] = unit->device.capacity;
    return devices;
}

}  // namespace

Runner::Runner(Options options, Settings settings, std::unique_ptr<os::Custodian> custodian,
               core::TimePoint began)
    : options_{std::move(options)},
      settings_{std::move(settings)},
      custodian_{std::move(custodian)},
      kept_{custodian_ ? custodian_->take_back() : Runs::Kept{}},
      slots_{custodian_ ? std::make_unique<os::Slots>(custodian_->state_fd()) : nullptr},
      ledger_{custodian_.get()},
      engine_{core_settings()},
      logs_{loop_, log_options(with_folders(options_), settings_, custodian_.get())},
      worker_{loop_},
      accounts_{loop_,
                [this] {
                    check_accounts();
                    runs_.accounts_changed();
                }},
      definitions_{load_options(options_, settings_), worker_},
      gates_{loop_,
             worker_,
             {[this](core::Event event) { feed(std::move(event)); },
              [this](const std::vector<std::string>& devices) {
                  if (bus_) bus_->devices_changed(devices);
              }}},
      runs_{loop_,
            logs_,
            accounts_,
            worker_,
            places(options_, settings_, custodian_ != nullptr),
            {custodian_.get(), slots_.get()},
            {[this](core::Event event) { feed(std::move(event)); },
             [this](core::UnitId unit) {
                 if (bus_) bus_->facts_changed(unit);
             },
             [this](core::UnitId unit, core::RunId run, const std::string& text) {
                 note_status(unit, run, text);
             }}},
      began_{began} {
    loop_.set_timer_handler([this] { feed(core::TimePassed{}); });
    handle_signals();
    if (custodian_) watch_keeper();
    open_bus();
}

// Clients that come while there is no manager wait in the socket, which the keeper keeps.
void Runner::open_bus() {
    constexpr std::uint64_t key = init::key(0, 0, init::Kind::bus_socket);
    bus::Options options{
        options_.socket,     bus_address(options_.bus), options_.system, ::geteuid(), "/etc", -1,
        record_of_requests()};
    if (const auto there = kept_.find(key); there != kept_.end())
        options.listening = there->second.release();
    const int given = options.listening;  // refused if its file is gone
    bus_ = std::make_unique<bus::Bus>(loop_.get(), *this, options);
    if (custodian_ && bus_->listening() != given) custodian_->keep(key, bus_->listening());
}

Runner::~Runner() = default;

core::Settings Runner::core_settings() const {
    core::Settings out;
    out.boot_target = options_.target.empty() ? settings_.target : options_.target;
    if (out.boot_target.empty()) out.boot_target = "default.target";
    out.join_timeout = settings_.join_timeout;
    out.shutdown_deadline = settings_.shutdown_deadline;
    return out;
}

int Runner::run() {
    log::info("reeved " REEVE_VERSION " {}; {}", options_.system ? "of the system" : "of a user",
              runs_.containment().describe());
    if (!custodian_) log::info("not started by reeve-init: if the manager dies, its state is lost");
    come_up();
    if (custodian_) custodian_->ready();
    if (attached_) attached();
    ::malloc_trim(0);  // the documents of the files are gone; what lies between them is not
    const int ended = loop_.run();
    const int code = exit_code_.value_or(ended);
    bus_.reset();
    if (custodian_) custodian_->ended(code);
    return code;
}

// ── the core's turn ────────────────────────────────────────────────────────────────────────────

void Runner::feed(core::Event event) {
    const core::TimePoint at = now();
    const std::uint64_t number = ledger_.record(event, at);
    queue_.push_back({std::move(event), at, number});
    if (pump_due_) return;
    pump_due_ = true;
    loop_.defer([this] { pump(); });
}

void Runner::pump() {
    if (pumping_) return;  // an action wants it done at once; it is the next in the queue
    pumping_ = true;
    const Restore not_pumping{pumping_};
    while (!queue_.empty()) {
        const Fed fed = std::move(queue_.front());
        queue_.pop_front();
        carry_out(fed);
    }
    pump_due_ = false;
    if (!coming_up_ && ledger_.wants_snapshot()) ledger_.take(snapshot());
    tend_keeper();
    arm();
}

void Runner::carry_out(const Fed& fed) {
    if (!is_stale(fed.event)) {
        std::uint32_t index = 0;
        for (core::Action& action : decide(fed)) {
            ledger_.begins(fed.number, ++index);
            posix::guarded("action", [&] { perform(action); });  // the others are due all the same
        }
    }
    ledger_.done(fed.number);
}

// What follows from it, in the core and in those whose state follows from the same events.
std::vector<core::Action> Runner::decide(const Fed& fed) {
    ++events_handled_;
    if (const auto* set = std::get_if<core::ApplySet>(&fed.event))
        gates_.set_devices(devices_of(*set));
    if (const auto* tested = std::get_if<core::PredicatesTested>(&fed.event))
        gates_.tested(tested->unit);
    return engine_.handle(fed.event, fed.at);
}

// A grant that was given back while the news of it was still in the queue.
bool Runner::is_stale(const core::Event& event) const {
    const auto* granted = std::get_if<core::LeasesGranted>(&event);
    return granted && !gates_.holds(granted->unit);
}

void Runner::arm() {
    if (rest_until_) return;
    loop_.arm(engine_.next_deadline());
}

void Runner::perform(core::Action& action) {
    std::visit([this](auto& each) { on(each); }, action);
}

void Runner::on(const core::Spawn& action) {
    runs_.spawn(action, result_for(action));
}

// What the environment of stop and stop-post tells of the run so far.
core::Result Runner::result_for(const core::Spawn& action) const {
    const bool told = action.phase == units::Phase::stop || action.phase == units::Phase::stop_post;
    return told ? engine_.view(action.process.unit).result : core::Result::none;
}

void Runner::on(const core::BeginRun& action) {
    const auto definition = engine_.definition_of_run(action.unit);
    action.found ? runs_.take_up(action, definition) : runs_.begin(action, definition);
}

void Runner::on(const core::WatchGate& action) {
    if (auto definition = engine_.view(action.unit).definition)
        gates_.watch(action.unit, std::move(definition));
}

void Runner::on(const core::TestPredicates& action) {
    if (const auto definition = engine_.view(action.unit).definition)
        gates_.test(action.unit, definition);
}

void Runner::on(const core::AskLeases& action) {
    if (const auto definition = engine_.view(action.unit).definition)
        gates_.ask_leases(action.unit, *definition);
}

// That a unit lacks descriptors is said once, however often it tries.
bool Runner::is_said(const core::Report& action) {
    using core::State;
    if (action.to == State::backoff && action.reason.find("descriptors: ") != std::string::npos)
        return !lacking_.insert(action.unit).second;
    if (!lacking_.contains(action.unit)) return false;
    if (action.from == State::backoff && action.to == State::starting) return true;
    lacking_.erase(action.unit);
    return false;
}

void Runner::on(const core::Report& action) {
    const std::string_view name = engine_.name(action.unit);
    const char* open = action.reason.empty() ? "" : " (";
    const char* close = action.reason.empty() ? "" : ")";
    const auto line = action.to == core::State::failed ? log::Level::warn : log::Level::info;
    const bool is_forgotten = name.empty();  // it ended, and went with what was known of it
    if (!is_forgotten && !is_said(action) && log::enabled(line))
        log::write(line, fmt::format("unit {}: {} -> {}{}{}{}", name, to_string(action.from),
                                     to_string(action.to), open, action.reason, close));
    bus_->report(action);
}

void Runner::on(const core::EventReport& action) {
    log::info("event {}: {}", action.name, action.set ? "set" : "cleared");
    bus_->report(action);
}

void Runner::on(const core::Answer& action) {
    bus_->answer(action);
}

void Runner::on(const core::Escalate& action) {
    const std::string_view name = engine_.name(action.unit);
    if (action.what == core::Escalate::What::reboot)
        log::error("unit {}: asks for a reboot, which a guest cannot give; ending instead", name);
    else
        log::warn("unit {}: its limit ends the manager", name);
    exit_code_ = 1;
    core::ShutdownRequest request;
    request.caller.by = "limit of " + std::string{name};
    end(std::move(request));
}

void Runner::on(const core::ShutdownComplete& action) {
    complete_ = action;
    if (!action.in_time) log::warn("shutdown: not all units ended in time");
    constexpr std::chrono::seconds patience{2};
    rest_until_ = now() + patience;
    posix::guarded("hold what is left", [this] { runs_.hold_the_rest(); });
    const bool some_live = runs_.signal_everything(SIGTERM);
    if (!some_live && runs_.is_tidy()) return loop_.exit(0);
    if (some_live) log::info("shutdown: some processes are left; TERM to them, then KILL");
    loop_.set_timer_handler([this] { look_at_the_rest(); });
    loop_.arm(now());
}

// What no unit accounts for any more: nobody tells of its end, so it is looked for. And folders are
// removed off the loop.
void Runner::look_at_the_rest() {
    using namespace std::chrono_literals;
    const bool late = now() >= *rest_until_;
    const bool some_live = runs_.signal_everything(late ? SIGKILL : 0);
    if (!some_live && !runs_.is_tidy() && late)
        log::warn("shutdown: not every runtime-directory could be removed in time");
    if (!some_live && (runs_.is_tidy() || late)) return loop_.exit(0);
    if (now() >= *rest_until_ + 2s) {
        log::warn("shutdown: some processes do not even die of KILL; ending without them");
        return loop_.exit(0);
    }
    loop_.arm(now() + 10ms);
}

void Runner::on(const core::Removed& action) {
    runs_.forget(action.unit);
    hindered_.erase(action.unit);
    lacking_.erase(action.unit);
    bus_->removed(action.unit, action.name);
}

// ── definitions ────────────────────────────────────────────────────────────────────────────────

// Throws when the set was not taken over; then all is as it was. Until look_after_apply(), no
// snapshot is taken: in it the set and what Definitions knows of it would not agree.
void Runner::take(const core::ApplySet& set, const std::string& note) {
    pump();  // what came before it
    if (!note.empty()) ledger_.note(note);
    const auto had = gates_.devices();
    Fed fed{set, now()};
    fed.number = ledger_.record(fed.event, fed.at);
    try {
        pumping_ = true;
        const Restore not_pumping{pumping_};
        carry_out(fed);
    } catch (...) {
        note_failed(fed.number);
        ledger_.done(fed.number);
        gates_.set_devices(had);
        throw;
    }
}

void Runner::look_after_apply() {
    posix::guarded("after an apply", [&] {
        pump();  // ids are known now
        accounts_.refresh();
        check_accounts();
    });
}

// A unit whose user is unknown waits, and says so.
void Runner::check_accounts() {
    for (const core::UnitId id : engine_.all()) {
        const auto definition = engine_.view(id).definition;
        if (!definition || !definition->service) continue;
        const auto& around = *definition->service->surroundings;
        std::string why;
        const bool needed = !around.user.empty() || !around.group.empty();
        if (needed && accounts_.find(around.user, around.group, why)) why.clear();
        const auto it = hindered_.find(id);
        if (why.empty() ? it == hindered_.end() : it != hindered_.end() && it->second == why)
            continue;
        if (why.empty())
            hindered_.erase(it);
        else
            hindered_[id] = why;
        feed(core::Hindered{id, why});
    }
}

void Runner::refer_to(const std::string& unit, Meant done) {
    definitions_.instance(unit,
                          [this, done = std::move(done)](const std::string& meant,
                                                         const std::vector<units::UnitPtr>& made) {
                              for (const auto& each : made)
                                  if (!engine_.find(each->name)) feed(core::AddUnit{each});
                              pump();  // the caller asks for it next
                              done(meant);
                          });
}

void Runner::plan(const bus::ApplyOptions& options, std::function<void(std::string)> done) {
    definitions_.prepare(
        engine_, options,
        [done = std::move(done)](const Plan& plan, const DefinitionSet&) { done(to_json(plan)); });
}

void Runner::apply(const bus::ApplyOptions& options, std::function<void(bus::ApplyOutcome)> done) {
    definitions_.prepare(
        engine_, options,
        [this, request = options.request, done = std::move(done)](Plan& plan, DefinitionSet& next) {
            for (const auto& problem : plan.problems) log::warn("{}", to_string(problem));
            const bool is_refused = plan.is_refused();
            std::optional<bus::ApplyOutcome> outcome;
            try {
                if (!is_refused) outcome = take_over_set(request, plan, next);
            } catch (const std::exception& e) {
                plan.failed = std::string{"taking over: "} + e.what();
            }
            log_outcome(plan);
            done(outcome ? std::move(*outcome) : bus::ApplyOutcome{false, to_json(plan)});
            if (!outcome) return;
            look_after_apply();
            if (custodian_) ledger_.take(snapshot());
            ::malloc_trim(0);
        });
}

// The answer is in the journal before the set is: one that is in force is never asked for again.
bus::ApplyOutcome Runner::take_over_set(core::RequestId request, Plan& plan, DefinitionSet& next) {
    const bool was_rolled_back = std::exchange(plan.rolled_back, !next.of_files);
    Applied applied{request, {true, to_json(plan)}};
    try {
        take(next.units,
             custodian_ ? note_of_apply(applied, definitions_.note_of(plan, next)) : std::string{});
    } catch (...) {
        plan.rolled_back = was_rolled_back;
        throw;
    }
    definitions_.taken(plan, std::move(next));
    return std::move(applied.outcome);
}

void Runner::apply_quietly() {
    apply({}, [](const bus::ApplyOutcome&) {});
}

// ── signals ────────────────────────────────────────────────────────────────────────────────────

void Runner::handle_signals() {
    const auto stop = [this](core::ShutdownRequest::Haste haste, const char* by) {
        core::ShutdownRequest request;
        request.caller.by = by;
        request.haste = haste;
        end(std::move(request));
    };
    using Haste = core::ShutdownRequest::Haste;
    loop_.on_signal(SIGTERM, [stop] { stop(Haste::orderly, "SIGTERM"); });
    loop_.on_signal(SIGINT, [stop] { stop(Haste::now, "SIGINT"); });
    loop_.on_signal(SIGHUP, [this] { apply_quietly(); });
    loop_.on_signal(SIGUSR1, [this] {
        bus_->reconnect();
        logs_.reopen();
    });
    loop_.on_signal(SIGUSR2, [this] { log::info("state: {}", stats()); });
}

// ── answers for the bus ────────────────────────────────────────────────────────────────────────

std::string Runner::holder_name(hal::HolderId holder) const {
    return std::string{engine_.name(core::UnitId{static_cast<std::uint32_t>(holder)})};
}

posix::Fd Runner::logs(const bus::LogQuery& query) {
    os::Logs::Query out;
    for (const auto& name : query.units) {
        const auto id = engine_.find(name);
        if (!id) throw std::system_error{ENOENT, std::generic_category(), "no unit " + name};
        out.units.push_back(*id);
    }
    out.lines = query.lines;
    out.run = core::RunId{query.run};
    out.follow = query.follow;
    out.resume = {query.after, query.since};
    return logs_.read(out);
}

std::string Runner::stats() const {
    const auto loop = loop_.stats();
    const auto children = runs_.children().stats();
    const auto logs = logs_.stats();
    const auto clients = bus_ ? bus_->stats() : bus::Bus::Stats{};
    std::map<std::string_view, std::uint64_t> states;
    const auto all = engine_.all();
    for (const core::UnitId id : all) ++states[to_string(engine_.view(id).state)];
    JsonObject by_state;
    for (const auto& [state, count] : states) by_state.add(state, count);
    return JsonObject{}
        .add("version", REEVE_VERSION)
        .add("pid", static_cast<std::uint64_t>(::getpid()))
        .add("units", std::uint64_t{all.size()})
        .add_raw("states", by_state.str())
        .add("events", events_handled_)
        .add("wakeups", loop.wakeups)
        .add("worst_dispatch_us", static_cast<std::uint64_t>(loop.worst_dispatch.count()))
        .add("worst_dispatch", loop.worst_what)
        .add("spawned", children.spawned)
        .add("reaped", children.reaped)
        .add("orphans", children.orphans)
        .add("spare_threads", std::uint64_t{children.spare_threads})
        .add("rings", logs.rings)
        .add("ring_bytes", logs.ring_bytes)
        .add("log_bytes", logs.taken)
        .add("log_dropped", logs.dropped)
        .add("log_file_errors", logs.file_errors)
        .add("on_message_bus", bus_ && bus_->on_message_bus())
        .add("clients", std::uint64_t{clients.clients})
        .add("listeners", std::uint64_t{clients.listeners})
        .add("signals", clients.signals)
        .add("pending_requests", std::uint64_t{clients.pending})
        .add("containment", runs_.containment().describe())
        .add("keeper", custodian_ != nullptr)
        .add("generation", std::uint64_t{custodian_ ? custodian_->header().generation : 0})
        .add("crash_points", posix::has_crash_points)
        .add_raw("taken_over", attached_ ? attached_->json() : "null")
        .str();
}

void Runner::shutdown(const std::string& how, core::ShutdownRequest request) {
    if (!how.empty() && how != "exit")
        throw std::invalid_argument{"\"" + how +
                                    "\" is for PID 1; this is a guest: use `shutdown exit`"};
    end(std::move(request));
}

void Runner::end(core::ShutdownRequest request) {
    using Haste = core::ShutdownRequest::Haste;
    const char* how = request.haste == Haste::force ? "at once, what runs is killed"
                      : request.haste == Haste::now ? "now, nothing is joined"
                                                    : "orderly";
    log::info("shutdown: asked for by {}: {}", request.caller.by, how);
    feed(std::move(request));
}

}  // namespace reeve
