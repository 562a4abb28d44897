// What a unit file says, as values: the one header of `units` that the core sees.
// Kept small, because a board holds hundreds: lists share one vector, rare things are boxed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::units {

using Duration = std::chrono::microseconds;
inline constexpr Duration infinity = Duration::max();

// A value that is usually its default: costs a pointer until it is written to. Copies share what
// they hold until one of them is written to.
template <class T>
class Rare {
public:
    // The value, or the default of T.
    const T& operator*() const {
        static const T fallback{};
        return value_ ? *value_ : fallback;
    }
    const T* operator->() const { return &**this; }
    // The value to write to; made when it is not there yet, or others share it.
    T& edit() {
        if (!value_)
            value_ = std::make_shared<T>();
        else if (value_.use_count() > 1)
            value_ = std::make_shared<T>(*value_);
        return *value_;
    }
    // Shares the value of `other` when it is equal to this one.
    void share(const Rare& other) {
        if (value_ && other.value_ && *value_ == *other.value_) value_ = other.value_;
    }
    friend bool operator==(const Rare& a, const Rare& b) { return *a == *b; }

private:
    std::shared_ptr<T> value_;
};

// ── relations between units ────────────────────────────────────────────────────────────────────

enum class Relation : std::uint8_t {
    after,
    before,
    requires_,
    wants,
    binds_to,
    requisite,
    part_of,
    conflicts,
    on_failure,
    on_success,
    wanted_by,
    required_by,
};
constexpr Relation last_of(Relation) noexcept {
    return Relation::required_by;
}
std::string_view to_string(Relation relation) noexcept;  // the key: "binds-to"

struct Link {
    Relation relation{};
    bool ordered = true;  // false: written as { unit = "x", order = "none" }
    std::string unit;     // a name or an alias, never empty
    bool operator==(const Link&) const = default;
};

// ── predicates (semantics §8) ──────────────────────────────────────────────────────────────────

// A leaf ("KIND:ARG") or a combination of further predicates.
struct Predicate {
    enum class Kind : std::uint8_t { event, unit, path, device, any, all };
    friend constexpr Kind last_of(Kind) noexcept { return Kind::all; }
    Kind kind{};
    bool negated = false;
    std::string argument;          // leaf
    std::vector<Predicate> parts;  // any, all
    bool operator==(const Predicate&) const = default;
};
std::string to_string(const Predicate& predicate);  // as written: "!path:/data", "any(a, b)"

enum class GateLost : std::uint8_t { ignore, stop, restart };
constexpr GateLost last_of(GateLost) noexcept {
    return GateLost::restart;
}

struct Predicates {
    std::vector<Predicate> gate;       // watched while waiting and up
    std::vector<Predicate> condition;  // tested once a start; false: done (skipped)
    std::vector<Predicate> assertion;  // tested once a start; false: failed
    GateLost gate_lost = GateLost::ignore;
    bool operator==(const Predicates&) const = default;
};

// ── processes ──────────────────────────────────────────────────────────────────────────────────

enum class Type : std::uint8_t { simple, exec, notify, forking, oneshot, idle };
constexpr Type last_of(Type) noexcept {
    return Type::idle;
}
enum class Phase : std::uint8_t { start_pre, main, start_post, reload, stop, stop_post };
constexpr Phase last_of(Phase) noexcept {
    return Phase::stop_post;
}
enum class Restart : std::uint8_t {
    no,
    on_success,
    on_failure,
    on_abnormal,
    on_abort,
    on_watchdog,
    always
};
constexpr Restart last_of(Restart) noexcept {
    return Restart::always;
}
enum class KillMode : std::uint8_t { control_group, mixed, process, none };
constexpr KillMode last_of(KillMode) noexcept {
    return KillMode::none;
}
enum class NotifyAccess : std::uint8_t { none, main, exec, all };
constexpr NotifyAccess last_of(NotifyAccess) noexcept {
    return NotifyAccess::all;
}
std::string_view to_string(Type type) noexcept;
std::string_view to_string(Phase phase) noexcept;  // the key: "start-pre"
std::string_view to_string(Restart restart) noexcept;
std::string_view to_string(KillMode mode) noexcept;
std::string_view to_string(NotifyAccess access) noexcept;

struct Command {
    Phase phase = Phase::main;
    bool ignore_failure = false;
    bool as_root = false;           // not as `user`
    bool expand = true;             // false: `no-expand`, $X is left as it stands
    std::vector<std::string> argv;  // argv[0] absolute after load; specifiers replaced, $X not yet
    bool operator==(const Command&) const = default;
};

struct Backoff {
    Duration first = std::chrono::milliseconds{100};
    double factor = 2.0;
    Duration max = std::chrono::seconds{30};
    Duration reset_after = std::chrono::minutes{1};
    bool operator==(const Backoff&) const = default;
};

struct Limit {
    std::uint32_t starts = 0;  // 0: no limit
    Duration within{};
    enum class Then : std::uint8_t { nothing, event, start, reboot, stop };
    friend constexpr Then last_of(Then) noexcept { return Then::stop; }
    Then then = Then::nothing;
    std::string argument;  // of event, start
    bool operator==(const Limit&) const = default;
};

// Which ends of a process count: exit codes 0..255 and signal numbers.
struct ExitStatusSet {
    std::vector<std::uint8_t> codes;
    std::vector<std::uint8_t> signals;
    bool operator==(const ExitStatusSet&) const = default;
};

struct EnvironmentFile {
    std::string path;
    bool optional = false;  // written with a leading "-"
    bool operator==(const EnvironmentFile&) const = default;
};

// Who and where the processes run as. Everything empty: as the manager itself, in "/".
struct Surroundings {
    std::map<std::string, std::string> environment;
    std::vector<EnvironmentFile> environment_files;
    std::string working_directory;
    std::string user;  // name or number; looked up by the shell, never in the loop
    std::string group;
    std::optional<std::uint32_t> umask;
    std::optional<std::uint64_t> nofile;         // limits.nofile
    std::vector<std::string> runtime_directory;  // below /run (or the user's)
    std::vector<std::string> state_directory;    // below /var/lib (or the user's)
    bool operator==(const Surroundings&) const = default;
};

struct ExitRules {
    ExitStatusSet success;
    ExitStatusSet restart_prevent;
    ExitStatusSet restart_force;
    bool operator==(const ExitRules&) const = default;
};

struct Service {
    Type type = Type::simple;
    Restart restart = Restart::on_failure;
    KillMode kill_mode = KillMode::control_group;
    NotifyAccess notify_access = NotifyAccess::main;
    bool daemonic = true;
    bool children = true;  // false: the kernel refuses new processes, not threads
    bool remain_after_exit = false;
    bool ignore_sigpipe = false;
    std::uint8_t kill_signal = 15;
    std::int16_t ready_fd = -1;                         // -1: none
    Duration start_timeout = std::chrono::seconds{90};  // infinity for oneshot unless set
    Duration stop_timeout = std::chrono::seconds{10};
    Duration run_timeout = infinity;
    Duration watchdog{};  // zero: none
    std::string pid_file;
    std::vector<Command> commands;  // in order within each phase
    Rare<Backoff> backoff;
    Rare<Limit> limit;
    Rare<ExitRules> exits;
    Rare<Surroundings> surroundings;
    bool operator==(const Service&) const = default;
};

struct LogSpec {
    bool file = false;
    bool memory = true;
    std::uint64_t ring = 0;  // bytes of memory; 0: the manager's default
    std::uint64_t max_size = 1 << 20;
    std::uint32_t keep = 3;
    bool join_stderr = false;  // stderr = "stdout": one pipe
    bool operator==(const LogSpec&) const = default;
};

struct Lease {
    std::string device;
    bool operator==(const Lease&) const = default;
};

struct Device {
    std::uint32_t capacity = 1;  // class = "semaphore", the only one in this version
    bool operator==(const Device&) const = default;
};

// ── the unit ───────────────────────────────────────────────────────────────────────────────────

enum class Kind : std::uint8_t { service, target, device };
constexpr Kind last_of(Kind) noexcept {
    return Kind::device;
}
std::string_view to_string(Kind kind) noexcept;

struct UnitFile {
    std::string name;  // without ".toml"
    Kind kind = Kind::service;
    bool enabled = true;
    bool stop_when_unneeded = false;
    bool ignore_on_isolate = false;
    bool refuse_manual_start = false;
    bool refuse_manual_stop = false;
    bool transient = false;  // made by `run`, not by a file
    bool searched = false;   // a program of it was found in PATH, and may be found elsewhere later
    Duration wait_timeout = infinity;
    std::string description;
    std::vector<std::string> aliases;
    std::vector<Link> links;           // all relations, in the order they were written
    std::vector<std::string> sets;     // events that are set while this unit is up
    std::vector<Lease> leases;         // [hal] lease
    std::vector<std::string> control;  // [access] control: "user:X", "group:Y"
    std::vector<std::string> files;    // where it was read from: the file, then its drop-ins
    Rare<Predicates> predicates;
    Rare<LogSpec> log;
    std::unique_ptr<Service> service;  // of Kind::service
    Device device;                     // of Kind::device
    // Of its files as they were when it was read from them; 0: it must be read again in any case.
    std::uint64_t stamp = 0;

    // True when both mean the same (`files`, `stamp` and `searched` do not count): then `apply`
    // touches nothing.
    friend bool same_definition(const UnitFile& a, const UnitFile& b);
};
// Keeps but once in memory what `unit` has in common with `other`.
void share_parts(UnitFile& unit, const UnitFile& other);

// Definitions are shared between the core (policy) and the shell (processes) and never change.
using UnitPtr = std::shared_ptr<const UnitFile>;

}  // namespace reeve::units
