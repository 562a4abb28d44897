// The state that outlives the manager: a memfd that keeper and manager map, and the kernel writes
// pids into. Plain data, no library: the keeper is freestanding. Both run on one kernel, so the
// layout is that of the machine; a change of it is a change of `layout_version`.
//
// offset 0                 Header
// offset slots_at          Slot × at most `most_slots`; the file grows as they are used
// offset journal_at[0, 1]  two regions for the journal, never mapped: see daemon/journal
#pragma once

#include <cstddef>
#include <cstdint>

namespace reeve::state {

inline constexpr std::uint64_t magic = 0x3154'5365'7665'6552ULL;  // "ReeveST1" as bytes
inline constexpr std::uint32_t layout_version = 1;

// How a process ended, in one word that is stored at once. 0: it has not.
using Exit = std::uint64_t;
inline constexpr Exit exit_known = Exit{1} << 63U;
inline constexpr Exit exit_dumped_core = Exit{1} << 17U;
inline constexpr Exit exit_unknown = Exit{1} << 16U;  // nobody could tell: not our child
constexpr Exit exited(unsigned code) noexcept {
    return exit_known | (code & 0xffU);
}
constexpr Exit killed(unsigned signal, bool dumped_core) noexcept {
    return exit_known | (dumped_core ? exit_dumped_core : 0) | ((signal & 0xffU) << 8U);
}

enum class Use : std::uint32_t {
    free = 0,
    step = 1,  // a process that the manager starts: ProcessRef {unit, run, step}
    main = 2,  // the main process of a run that was taken over (forking services, MAINPID=)
};

// One process. Taken by the manager: all fields, pid and exit 0, then `use` with release. A used
// slot with a pid and without an exit is of a process that nobody has reaped, so its pid is no
// other's; without a pid it was never cloned.
struct alignas(64) Slot {
    Use use;
    std::uint32_t unit;
    std::uint64_t run;
    std::uint32_t step;
    std::int32_t pid;          // the kernel stores it before the child runs (CLONE_PARENT_SETTID)
    std::uint64_t start_time;  // clock ticks since boot, /proc/PID/stat; 0: not looked up yet
    Exit exit;                 // stored by whoever reaps, before it does
    std::uint16_t stage;       // SpawnStage at which the child gave up …
    std::uint16_t error;       // … and errno; 0: it has not
};
static_assert(sizeof(Slot) == 64);

// An exit that belonged to no slot: of an orphan, or of a forking daemon before it was known. The
// keeper looks through the slots, stores the exit here, and looks again; who stores the pid of a
// process that is not its child into a slot looks here afterwards. So one of the two sees it.
struct Unplaced {
    std::int32_t pid;
    std::uint32_t reserved;
    std::uint64_t start_time;
    Exit exit;
};
inline constexpr unsigned unplaced_kept = 256;

struct Header {
    std::uint64_t magic;
    std::uint32_t layout;
    std::uint32_t keeper_pid;
    std::uint32_t slots;          // as many were ever used; of the manager
    std::uint32_t generation;     // how many managers there were; of the keeper
    std::uint32_t active;         // the journal region that counts: 0 or 1
    std::uint32_t made_runtime;   // 1: the runtime folder was not there before the first manager
    std::uint64_t progress;       // how far the manager is in the events of the journal: below
    std::uint64_t died_at;        // CLOCK_MONOTONIC ns: when the last manager was reaped; 0: none
    std::uint64_t next_unplaced;  // counts them; the place is the rest by `unplaced_kept`
    // Of test builds: the manager kills itself at the point `kill_at` (-1: at none), after
    // `kill_skip` others.
    std::int32_t kill_at, kill_skip;
    // Of the keeper, for the manager:
    std::uint64_t stuck_limit;  // ns to arm `busy_fd` with
    std::uint64_t core_limit;   // soft RLIMIT_CORE of the services; the manager's own is lowered
    Unplaced unplaced[unplaced_kept];
};

// One word, so that one store moves it: the sequence number of the last event whose actions are all
// carried out, and of the event after it how many actions were begun.
inline constexpr unsigned actions_bits = 20;
constexpr std::uint64_t progress_of(std::uint64_t event, std::uint64_t actions_of_next) noexcept {
    return event << actions_bits | actions_of_next;
}

inline constexpr std::size_t slots_at = 8192;
inline constexpr std::uint32_t most_slots = 1U << 17U;
inline constexpr std::size_t mapped_size = slots_at + most_slots * sizeof(Slot);
inline constexpr std::uint64_t journal_at[2] = {1ULL << 24U, 1ULL << 32U};
static_assert(sizeof(Header) <= slots_at && mapped_size <= journal_at[0]);

}  // namespace reeve::state
