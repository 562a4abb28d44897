// What the core is told: requests of people, and what happened.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "daemon/core/types.hpp"
#include "units/unit_file.hpp"

namespace reeve::core {

// ── requests (semantics §9). Answered once by an Answer with the same id, if id is not 0. ───────

struct Caller {
    RequestId id{};
    std::string by;  // for `asked … by`: "uid 1000", "event:calibrated", "on-failure of web"
    TimePoint deadline = TimePoint::max();  // answer StillWaiting then; the want stays
};
struct StartRequest {
    Caller caller;
    std::string unit;
};
struct StopRequest {
    Caller caller;
    std::string unit;
};
struct RestartRequest {
    Caller caller;
    std::string unit;
    bool only_if_running = false;
};
struct ReloadRequest {
    Caller caller;
    std::string unit;
};
struct IsolateRequest {
    Caller caller;
    std::string unit;
};
// Signal to `main`, or to all processes of the unit; the end counts as its own.
struct KillRequest {
    Caller caller;
    std::string unit;
    int signal = 15;
    bool all = false;
};
struct WaitRequest {
    Caller caller;
    std::vector<std::string> units;
};  // until down or at rest
struct ResetFailedRequest {
    Caller caller;
    std::string unit;
};  // empty: all
struct ForgetRequest {
    Caller caller;
    std::string unit;
};
struct EventRequest {
    Caller caller;
    std::string name;
    bool set = true;
};
struct WaitEventRequest {
    Caller caller;
    std::string name;
};
struct ShutdownRequest {
    enum class Haste : std::uint8_t { orderly, now, force };  // now: no join; force: at once
    friend constexpr Haste last_of(Haste) noexcept { return Haste::force; }
    Caller caller;
    Haste haste = Haste::orderly;
};
// A transient unit: defined and asked up in one step.
struct RunRequest {
    Caller caller;
    units::UnitPtr unit;
};
struct CancelRequest {
    RequestId id{};
};  // the caller has gone: nobody waits any more

// The whole set of definitions is now this. Names that are gone must go; `masked` never start.
// Units whose definition is the same pointer, or means the same, are not touched.
struct ApplySet {
    std::vector<units::UnitPtr> units;
    std::vector<std::string> masked;
    std::vector<std::string> restart;  // of those that run with an older definition
    // Names whose file counts as missing, and what is wrong with it.
    std::map<std::string, std::vector<std::string>, std::less<>> bad;
    bool anew = false;  // looks at every unit as if it had changed: the same, for tests
};
// One more unit, an instance of a template that somebody referred to.
struct AddUnit {
    units::UnitPtr unit;
};

// ── what happened. Everything about a process carries its ProcessRef; stale news is dropped. ────

struct Spawned {
    ProcessRef process;
};  // execve succeeded
// `empty`, here and below: no process of the run is left after this one; as if Emptied followed.
struct SpawnFailed {
    ProcessRef process;
    std::string stage;  // for people: "exec /usr/bin/x"
    int error = 0;      // 0: `stage` says all
    bool empty = false;
};
struct Exited {
    ProcessRef process;
    ExitStatus status;
    bool oom = false;
    bool empty = false;
};
// No process of this run is left (cgroup empty, or no descendant), whatever the main one did. Told
// after every end of a process once it is so, always after that end: what was told while another
// process was on its way says nothing about that one.
struct Emptied {
    UnitId unit{};
    RunId run{};
};
// The shell knows the main process of a forking service now (PID file, or the eldest left), or
// MAINPID= named another one: the one spawned is no longer the main process.
struct MainFound {
    UnitId unit{};
    RunId run{};
};
// It never will: the PID file is missing, empty or names somebody else; says which.
struct MainMissing {
    UnitId unit{};
    RunId run{};
    std::string why;
};
// The main process (known by MainFound, or replaced through MAINPID=) ended.
struct MainExited {
    UnitId unit{};
    RunId run{};
    ExitStatus status;
    bool oom = false;
    bool empty = false;
};

// From the notify socket or ready-fd; the shell has checked that the sender may.
struct Notified {
    UnitId unit{};
    RunId run{};
    bool ready = false;
    bool reloading = false;
    bool stopping = false;
    bool watchdog = false;          // alive
    bool watchdog_trigger = false;  // WATCHDOG=trigger: treat as missed
    Duration extend{};              // EXTEND_TIMEOUT_USEC; zero: none
    int error = 0;                  // ERRNO
};

// A leaf predicate watched for a unit's gate changed, or is told for the first time. Kinds event
// and unit are the core's own and never come from outside.
struct PathChanged {
    std::string path;
    bool exists = false;
};
struct DeviceChanged {
    std::string device;
    bool ready = false;
};
// The answer to TestPredicates: the outside leaves (path) of condition and assert, as they are.
struct PredicatesTested {
    UnitId unit{};
    std::vector<std::string> existing_paths;
};

struct LeasesGranted {
    UnitId unit{};
};
struct LeasesRefused {
    UnitId unit{};
    std::string why;
};  // such a device does not exist (any more)

// Something outside the model keeps the unit from starting ("user imu unknown", "no spawn thread
// is free"); an empty `why` clears it.
struct Hindered {
    UnitId unit{};
    std::string why;
};

// Units that run though this engine never started them: what it knew was lost, and their processes
// were found. They are up from now on; those that run or are unknown here are passed over. What is
// asked up beside is so at the same moment, so that none goes because nobody wants it.
struct Found {
    struct Running {
        UnitId unit{};
        RunId run{};  // as its processes were told; 0: not known, or there twice
    };
    std::vector<Running> running;
    std::string asked;  // a unit; empty or missing: none
    std::string by;
};

struct TimePassed {};  // `now` is all there is to say

using Event =
    std::variant<StartRequest, StopRequest, RestartRequest, ReloadRequest, IsolateRequest,
                 KillRequest, WaitRequest, ResetFailedRequest, ForgetRequest, EventRequest,
                 WaitEventRequest, ShutdownRequest, RunRequest, CancelRequest, ApplySet, AddUnit,
                 Spawned, SpawnFailed, Exited, Emptied, MainFound, MainMissing, MainExited,
                 Notified, PathChanged, DeviceChanged, PredicatesTested, LeasesGranted,
                 LeasesRefused, Hindered, Found, TimePassed>;

}  // namespace reeve::core
