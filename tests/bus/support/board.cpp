#include "tests/bus/support/board.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"

namespace reeve::bus::test {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

constexpr pid_t first_pid = 4'000'000;  // above every real one

}  // namespace

Board::Board(sd_event* loop) {
    sd_event_source* made = nullptr;
    posix::check_sd(sd_event_add_time(
                        loop, &made, CLOCK_MONOTONIC, 0, 1,
                        [](sd_event_source*, std::uint64_t, void* self) noexcept {
                            return posix::guarded("board", [&] {
                                static_cast<Board*>(self)->submit(core::TimePassed{});
                            });
                        },
                        this),
                    "timer");
    timer_.reset(made);
    sd_event_source_set_enabled(made, SD_EVENT_OFF);
}

core::TimePoint Board::now() const {
    return std::chrono::time_point_cast<core::Duration>(std::chrono::steady_clock::now());
}

std::string Board::holder_name(hal::HolderId holder) const {
    return std::string{engine_.name(core::UnitId{static_cast<std::uint32_t>(holder)})};
}

UnitFacts Board::facts(core::UnitId unit) const {
    UnitFacts facts;
    if (const auto found = main_.find(unit); found != main_.end()) {
        facts.main_pid = first_pid + static_cast<pid_t>(unit);
    }
    if (const auto found = status_.find(unit); found != status_.end()) facts.status = found->second;
    return facts;
}

std::vector<pid_t> Board::pids(core::UnitId unit) const {
    const pid_t main = facts(unit).main_pid;
    return main != 0 ? std::vector{main} : std::vector<pid_t>{};
}

void Board::define(std::vector<units::UnitPtr> units) {
    std::map<std::string, std::uint32_t> capacities;
    for (const auto& unit : units) {
        if (unit->kind == units::Kind::device) capacities[unit->name] = unit->device.capacity;
    }
    grant(scheduler_.set_devices(capacities));
    submit(core::ApplySet{std::move(units), {}, {}, {}});
}

void Board::take_over(const std::vector<units::UnitPtr>& definitions, const std::string& saved) {
    engine_ = core::Engine::load({}, definitions, saved);
    arm();
}

void Board::reexec(const std::string& binary, std::function<void(std::string)> refused) {
    reexecs.push_back(binary);
    if (!refuses_reexec.empty()) refused(refuses_reexec);
}

void Board::submit(core::Event request) {
    requests_.push_back(request);
    news_.push_back(std::move(request));
    if (telling_) return;  // the outer call goes on with it
    telling_ = true;
    while (!news_.empty()) {
        const core::Event event = std::move(news_.front());
        news_.erase(news_.begin());
        for (const core::Action& action : engine_.handle(event, now())) carry_out(action);
    }
    telling_ = false;
    arm();
}

void Board::arm() {
    const auto deadline = engine_.next_deadline();
    if (!deadline) {
        sd_event_source_set_enabled(timer_.get(), SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(timer_.get(),
                             static_cast<std::uint64_t>(deadline->time_since_epoch().count()));
    sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
}

void Board::gone(core::UnitId unit, core::RunId run, core::ExitStatus status) {
    const auto found = main_.find(unit);
    if (found == main_.end() || found->second.run != run) return;
    news_.push_back(core::Exited{found->second, status, false});
    news_.push_back(core::Emptied{unit, run});
    main_.erase(found);
}

void Board::end(const std::string& unit, core::ExitStatus status) {
    const core::UnitId id = engine_.find(unit).value();
    gone(id, main_.at(id).run, status);
    submit(core::TimePassed{});
}

void Board::say_status(const std::string& unit, const std::string& status) {
    const core::UnitId id = engine_.find(unit).value();
    status_[id] = status;
    bus_->facts_changed(id);
}

void Board::grant(const hal::Outcome& outcome) {
    for (const hal::HolderId holder : outcome.granted) {
        news_.push_back(core::LeasesGranted{core::UnitId{static_cast<std::uint32_t>(holder)}});
    }
}

void Board::carry_out(const core::Action& action) {
    const auto holder = [](core::UnitId unit) {
        return hal::HolderId{static_cast<std::uint64_t>(unit)};
    };
    std::visit(
        Overloaded{
            [&](const core::Spawn& spawn) {
                if (spawn.phase == units::Phase::main) main_[spawn.process.unit] = spawn.process;
                news_.push_back(core::Spawned{spawn.process});
                if (spawn.phase != units::Phase::main) {
                    news_.push_back(core::Exited{spawn.process, {}, false});
                }
            },
            [&](const core::SendSignal& send) {
                if (send.signal == 15 || send.signal == 9) {
                    gone(send.unit, send.run, {.code = 0, .signal = send.signal});
                }
            },
            [&](const core::KillAll& kill) { gone(kill.unit, kill.run, {.code = 0, .signal = 9}); },
            [&](const core::TestPredicates& test) {
                news_.push_back(core::PredicatesTested{test.unit, {}});
            },
            [&](const core::AskLeases& ask) {
                std::vector<std::string> names;
                const auto view = engine_.view(ask.unit);
                for (const auto& lease : view.definition->leases) names.push_back(lease.device);
                grant(scheduler_.ask(holder(ask.unit), names));
                bus_->devices_changed(names);
            },
            [&](const core::ReturnLeases& back) { grant(scheduler_.give_back(holder(back.unit))); },
            [&](const core::Report& report) { bus_->report(report); },
            [&](const core::EventReport& report) { bus_->report(report); },
            [&](const core::Answer& answer) { bus_->answer(answer); },
            [](const auto&) {},
        },
        action);
}

void Board::plan(const ApplyOptions& options, std::function<void(std::string)> done) {
    applied_with = options;
    done(R"({"ok":true})");
}

void Board::apply(const ApplyOptions& options, std::function<void(ApplyOutcome)> done) {
    ++applies;
    applied_with = options;
    done({true, R"({"ok":true,"added":[]})"});
}

posix::Fd Board::logs(const LogQuery& query) {
    posix::Fd file{posix::check(::memfd_create("log", MFD_CLOEXEC), "memfd")};
    std::string text = "lines " + std::to_string(query.lines) + " of";
    for (const std::string& unit : query.units) text += " " + unit;
    posix::check(::write(file.get(), text.data(), text.size()), "write");
    posix::check(::lseek(file.get(), 0, SEEK_SET), "seek");
    return file;
}

void Board::shutdown(const std::string& how, core::ShutdownRequest) {
    if (how != "" && how != "exit") throw std::invalid_argument{"a guest can only exit"};
    shutdowns.push_back(how);
}

units::UnitPtr service(const std::string& name, const std::string& program) {
    auto unit = std::make_shared<units::UnitFile>();
    unit->name = name;
    unit->description = "the " + name;
    unit->files = {"/etc/reeve/units/" + name + ".toml"};
    unit->service = std::make_unique<units::Service>();
    units::Command command;
    command.argv = {program, "--secret"};
    unit->service->commands.push_back(command);
    unit->service->surroundings.edit().environment = {{"TOKEN", "hidden"}};
    return unit;
}

}  // namespace reeve::bus::test
