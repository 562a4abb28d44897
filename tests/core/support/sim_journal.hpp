// Beside the simulated engine a journal, as the manager keeps it; now and then the manager dies,
// and its successor must have been told the same and have said the same.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "daemon/core/engine.hpp"
#include "daemon/journal/journal.hpp"
#include "hal/posix/fd.hpp"
#include "tests/core/support/sim_random.hpp"
#include "tests/core/support/sim_text.hpp"

namespace reeve::sim {

// The engine and its definitions, through the bytes of a snapshot. Throws Violation.
core::Engine through_bytes(const core::Engine& engine, const core::Settings& settings);

class SimJournal {
public:
    SimJournal(std::uint64_t seed, const core::Engine& engine);

    // Before the engine handles it, and after. Both compact now and then.
    void told(const core::Engine& engine, const core::Event& event, core::TimePoint now);
    void did(const core::Engine& engine, const std::vector<core::Action>& actions);

    [[nodiscard]] bool manager_dies() { return random_.one_in(400); }
    // What the journal says of the engine. Throws Violation where that acts otherwise than it did.
    core::Engine successor(const core::Settings& settings, const NameOf& name);

private:
    void compact(const core::Engine& engine, std::span<const journal::Entry> pending);

    Random random_;
    posix::Fd memory_;
    std::unique_ptr<state::Header> header_ = std::make_unique<state::Header>();
    std::unique_ptr<journal::Journal> journal_;
    core::TimePoint now_{};
    std::deque<std::vector<core::Action>> done_;  // since the snapshot
};

}  // namespace reeve::sim
