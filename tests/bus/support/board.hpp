// A manager without Linux, for tests of the bus: the real core, and a shell that obeys at once.
#pragma once

#include <systemd/sd-event.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/bus/bus.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::bus::test {

class Board final : public Backend {
public:
    explicit Board(sd_event* loop);

    void serve(Bus* bus) { bus_ = bus; }
    // Takes a set of units over; devices among them come with their capacity.
    void define(std::vector<units::UnitPtr> units);
    // Goes on from where another board was: `definitions` are those it had.
    void take_over(const std::vector<units::UnitPtr>& definitions, const std::string& saved);
    // News from the shell.
    void tell(const core::Event& event) { submit(event); }
    // The unit's main process ends by itself.
    void end(const std::string& unit, core::ExitStatus status);
    void say_status(const std::string& unit, const std::string& status);

    // Of the requests that came, those of one type.
    template <class Request>
    std::vector<Request> asked() const {
        std::vector<Request> found;
        for (const core::Event& event : requests_) {
            if (const auto* one = std::get_if<Request>(&event)) found.push_back(*one);
        }
        return found;
    }

    core::TimePoint now() const override;
    const core::Engine& engine() const override { return engine_; }
    const hal::Scheduler& scheduler() const override { return scheduler_; }
    std::string holder_name(hal::HolderId holder) const override;
    UnitFacts facts(core::UnitId unit) const override;
    std::vector<pid_t> pids(core::UnitId unit) const override;
    void submit(core::Event request) override;
    void refer_to(const std::string& unit, Meant done) override {
        referred_to.push_back(unit);
        done(unit);
    }
    void reexec(const std::string& binary, std::function<void(std::string)> refused) override;
    void plan(const ApplyOptions& options, std::function<void(std::string json)> done) override;
    void apply(const ApplyOptions& options, std::function<void(ApplyOutcome)> done) override;
    posix::Fd logs(const LogQuery& query) override;
    std::string stats() const override {
        if (on_stats) on_stats();
        return R"({"wakeups":1})";
    }
    void shutdown(const std::string& how, core::ShutdownRequest request) override;

    std::function<void()> on_stats;  // called when a client asks for them
    std::vector<std::string> referred_to;
    std::vector<std::string> shutdowns;
    unsigned applies = 0;
    std::vector<std::string> reexecs;
    std::string refuses_reexec;  // why; empty: a successor is to answer
    ApplyOptions applied_with;   // last

private:
    void carry_out(const core::Action& action);
    void grant(const hal::Outcome& outcome);
    void gone(core::UnitId unit, core::RunId run, core::ExitStatus status);
    void arm();

    core::Engine engine_;
    hal::Scheduler scheduler_;
    Bus* bus_ = nullptr;
    std::map<core::UnitId, core::ProcessRef> main_;
    std::map<core::UnitId, std::string> status_;
    std::set<std::string> devices_;
    std::vector<core::Event> requests_;
    std::vector<core::Event> news_;  // of what was carried out, not told yet
    bool telling_ = false;
    posix::SourcePtr timer_;
};

units::UnitPtr service(const std::string& name, const std::string& program = "/bin/true");

}  // namespace reeve::bus::test
