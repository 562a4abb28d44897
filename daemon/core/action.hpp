// What the core asks the shell to do, in this order.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "daemon/core/types.hpp"
#include "units/unit_file.hpp"

namespace reeve::core {

// Start the command `index` of `phase` (counted within the phase) of the unit's definition.
// The definition is that of the run: it does not change under a running unit.
struct Spawn {
    ProcessRef process;
    units::Phase phase = units::Phase::main;
    std::uint32_t index = 0;
};
struct SendSignal {
    UnitId unit{};
    RunId run{};
    enum class Whom : std::uint8_t { main, control, all } whom = Whom::main;
    int signal = 0;
};
// The final word: SIGKILL to all that is left (kill-mode control-group, mixed) or to main alone.
struct KillAll {
    UnitId unit{};
    RunId run{};
    bool main_only = false;
};

// A run begins: make its directories, notify socket, log. Comes before its first Spawn, and before
// waiting for the PID file of a forking service whose parent has exited: FindMain.
struct BeginRun {
    UnitId unit{};
    RunId run{};
    bool found = false;  // it has begun long ago: its processes are taken over, the main as step 1
};
struct FindMain {
    UnitId unit{};
    RunId run{};
};
// The run is over, nothing of it is left: let go what it had. After its last stop-post.
struct EndRun {
    UnitId unit{};
    RunId run{};
};

// Watch what the unit's gate names outside the core, and tell PathChanged/DeviceChanged for each
// leaf at once and on every change; until UnwatchGate.
struct WatchGate {
    UnitId unit{};
};
struct UnwatchGate {
    UnitId unit{};
};
// Answer with PredicatesTested.
struct TestPredicates {
    UnitId unit{};
};
// Ask the lease scheduler for the whole set; answer with LeasesGranted when it is obtained.
struct AskLeases {
    UnitId unit{};
};
struct ReturnLeases {
    UnitId unit{};
};

// One change of state, for log, bus and clients.
struct Report {
    UnitId unit{};
    State from{};
    State to{};
    RunId run{};
    std::string reason;  // "requested by uid 0", "exit code 1", "waits for db"
};
struct EventReport {
    std::string name;
    bool set = false;
};

// The answer to a request.
struct Answer {
    enum class Verdict : std::uint8_t {
        done,    // as asked: up, down, …
        failed,  // came to rest otherwise; `text` says why
        masked,
        unknown_unit,
        refused,        // refuse-manual-*, conflicts inside one pull, not running for reload …
        still_waiting,  // deadline, or stuck; `text` says what it waits for; what was asked stays
        cancelled,      // another request or a shutdown overtook it
    };
    RequestId id{};
    Verdict verdict = Verdict::done;
    UnitId unit{};
    State state{};
    RunId run{};
    std::string text;
};

// limit.then and shutdown: the manager ends, or asks the machine to reboot.
struct Escalate {
    enum class What : std::uint8_t { stop, reboot } what{};
    UnitId unit{};
};
// Everything is down that must be; the manager may go.
struct ShutdownComplete {
    bool in_time = true;
};
// The unit is no longer known (forgotten, or removed and gone): its id is dead.
struct Removed {
    UnitId unit{};
    std::string name;
};

using Action = std::variant<Spawn, SendSignal, KillAll, BeginRun, FindMain, EndRun, WatchGate,
                            UnwatchGate, TestPredicates, AskLeases, ReturnLeases, Report,
                            EventReport, Answer, Escalate, ShutdownComplete, Removed>;

}  // namespace reeve::core
