// What the bus asks of the manager. Implemented by the runner, and by a scripted one in tests.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/log_place.hpp"
#include "daemon/core/engine.hpp"
#include "hal/core/scheduler.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::bus {

// What the shell knows of a unit beside the core.
struct UnitFacts {
    pid_t main_pid = 0;
    std::string status;     // STATUS= of the service
    std::string hindrance;  // "exec of /x hangs"
};

struct LogQuery {
    std::vector<std::string> units;
    unsigned lines = 0;
    std::uint64_t run = 0;
    bool follow = false;
    // Where a client had come to who reads on: by unit, and for the others a time.
    std::map<std::string, api::LogPlace, std::less<>> after{};
    std::string since{};
};

struct ApplyOptions {
    bool rollback = false;         // to the set before the last that changed anything
    bool restart_changed = false;  // all that run with an older definition, not only `restart`
    std::vector<std::string> restart;
    core::RequestId request{};  // that is answered by it; 0: none
};
struct ApplyOutcome {
    bool applied = false;
    std::string report;  // docs/json/plan.schema.json, without `applied`
};

class Backend {
public:
    virtual ~Backend() = default;

    virtual core::TimePoint now() const = 0;
    virtual const core::Engine& engine() const = 0;
    virtual const hal::Scheduler& scheduler() const = 0;
    virtual std::string holder_name(hal::HolderId holder) const = 0;
    virtual UnitFacts facts(core::UnitId unit) const = 0;
    // Of its run, or of what earlier runs left behind; has to be looked for.
    virtual std::vector<pid_t> pids(core::UnitId unit) const = 0;

    // The first problem of the file of this name, which keeps the unit from being known; empty:
    // none.
    virtual std::string problem_of(std::string_view) const { return {}; }

    // The folders unit files are searched in, in order.
    virtual std::vector<std::string> unit_path() const { return {}; }

    // Hands a request to the core. Its answer, if any, comes through Bus::answer(), in this call
    // or later.
    virtual void submit(core::Event request) = 0;
    // Makes the instance of a template known if there is one; harmless otherwise. Reads the files
    // off the loop; `done` is called on the loop, in this call or later, with what the name means:
    // "getty@" is the template's default instance.
    using Meant = std::function<void(const std::string& name)>;
    virtual void refer_to(const std::string& unit, Meant done) = 0;

    // Reads the unit files off the loop; `done` is called on the loop. plan: changes nothing.
    virtual void plan(const ApplyOptions& options, std::function<void(std::string json)> done) = 0;
    virtual void apply(const ApplyOptions& options, std::function<void(ApplyOutcome)> done) = 0;
    // The set in force came by rollback, not from the files.
    virtual bool is_rolled_back() const { return false; }

    virtual posix::Fd logs(const LogQuery& query) = 0;  // throws std::system_error
    virtual std::string stats() const = 0;              // JSON
    // how: exit, poweroff, reboot, halt, kexec, soft-reboot. Throws std::invalid_argument: refused.
    virtual void shutdown(const std::string& how, core::ShutdownRequest request) = 0;
    // Gives way to a manager from `binary` (empty: the same), which answers the request with
    // Bus::came_up_by_reexec(). `refused` is called, on the loop, only when nothing happens.
    virtual void reexec(const std::string&, std::function<void(std::string why)> refused) {
        const auto tell = std::move(refused);
        tell(
            "there is no reeve-init above this manager; start it by reeve-init to upgrade it "
            "in place");
    }
};

// The sentence for a unit that is not known.
inline std::string unknown_unit_text(const Backend& backend, const std::string& name) {
    const std::string problem = backend.problem_of(name);
    if (problem.empty()) {
        return "there is no unit " + name + "; `reevectl list` shows those there are";
    }
    return name + " counts as missing: " + problem + "; mend the file and `reevectl apply`";
}

}  // namespace reeve::bus
