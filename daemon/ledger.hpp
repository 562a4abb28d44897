// What of the manager outlives it: the journal of what it was told, and how far it has come with
// that. Without a keeper there is nobody to hold it, and all of this does nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/core/event.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/journal/snapshot.hpp"
#include "daemon/os/custodian.hpp"

namespace reeve {

class Ledger {
public:
    // `custodian` lives longer; nullptr: there is no keeper.
    explicit Ledger(os::Custodian* custodian) : custodian_{custodian} {}

    struct Past {
        journal::Snapshot snapshot;
        std::vector<journal::Entry> since;
        std::uint64_t done = 0;   // all that followed from the events up to this one is done
        std::uint32_t begun = 0;  // actions of the next event that were begun: the last may be done
    };
    // What the manager before knew. nullopt: there was none, or nothing usable is left (said).
    // Called once, before anything is recorded.
    std::optional<Past> recover();

    // Instead of recover(): nobody looks at what was known.
    void begin_anew();
    // What was known is not to be read by anybody any more: what it speaks of is about to change.
    void forget_past();

    // Records what is about to be handled, before anything follows from it; gives its number.
    // What cannot be recorded (no memory) is said once, and goes on unrecorded.
    std::uint64_t record(const core::Event& event, core::TimePoint at);
    void note(std::string_view bytes);
    // So many actions of the event, which is the next after those that are done.
    void begins(std::uint64_t event, std::uint32_t actions) noexcept;
    void done(std::uint64_t event) noexcept;

    [[nodiscard]] bool wants_snapshot() const;
    // Of a moment when nothing is left to be carried out.
    void take(const journal::Snapshot& snapshot);

private:
    // Goes on after what was found.
    void open(const journal::Recovered& found);
    void progress(std::uint64_t word) noexcept;
    void say(int error);

    os::Custodian* custodian_;
    std::optional<journal::Journal> journal_;
    bool fell_behind_ = false;
};

}  // namespace reeve
