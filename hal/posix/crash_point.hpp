// Where the manager stores something that outlives it. A test build kills itself at the point, and
// the time it is reached, that a test has chosen; a build without tests knows nothing of this.
#pragma once

#include <cstdint>

namespace reeve::posix {

enum class CrashPoint : std::int32_t {
    event_recorded = 1,  // in the journal, nothing has followed
    action_begun,        // progress says so, it is not done
    action_done,         // and progress does not say so
    event_done,          // progress says that all of it is done
    note_recorded,
    snapshot_written,  // into the other region, which does not count yet
    snapshot_counts,   // the former is still there
    snapshot_taken,
    slot_taken,   // the process is to be cloned
    cloned,       // the kernel has stored the pid; in a spawn thread
    exit_stored,  // not reaped
    reaped,       // nobody was told
    slot_freed,
    sent_to_keeper,    // descriptors
    message_recorded,  // of a service; it is still in the socket
    spliced,           // what a unit printed, without an entry in the index
    ring_entered,      // with it
    // Of the logs: where the tests of rings and files die, as at the two above.
    log_wrapped,     // the offset of the file is at its first byte again
    log_source,      // the header names the run and the stream that follow
    log_checkpoint,  // the header says how far a page of the index reaches
    log_freeing,     // the header says so, the pages are still there
    log_rotating,    // the file is full
    log_rotated,     // and another is open
    log_writing,     // the header says where in the file the text begins
    log_written,
    end,
};

#ifdef REEVE_CRASH_POINTS
inline constexpr bool has_crash_points = true;
// `at`: the point (none: -1), `skip`: how often it is passed before. Both lie where the test can
// write, as long as the process lives.
void crash_here_by(std::int32_t& at, std::int32_t& skip) noexcept;
// Called at each point, for a test that counts them or dies there in its own way: it may throw.
inline void (*at_crash_point)(CrashPoint) = nullptr;
void crash_point(CrashPoint point);
#else
inline constexpr bool has_crash_points = false;
inline void crash_here_by(std::int32_t&, std::int32_t&) noexcept {}
inline void crash_point(CrashPoint) noexcept {}
#endif

}  // namespace reeve::posix
