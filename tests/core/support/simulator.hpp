// Random episodes of the core: a set of units, a world that misbehaves, people who ask for things,
// and every promise of docs/semantics.md checked on the way. A seed is an episode, for ever.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace reeve::sim {

struct Outcome {
    std::uint64_t events = 0;  // told to the engine
    std::uint64_t actions = 0;
    std::uint64_t starts = 0;
    std::uint64_t sweeps = 0;            // of all units at once
    std::uint64_t reloads = 0;           // of the engine, from what it saved
    std::uint64_t successions = 0;       // to an engine that the journal knows
    std::uint64_t hash = 0;              // of all actions; only if asked for
    std::optional<std::string> failure;  // what, when, and the last lines of the transcript
};

struct EpisodeOptions {
    bool hash = false;
    bool transcript = false;  // all of it, to stderr
};

Outcome run_episode(std::uint64_t seed, EpisodeOptions options = {});

}  // namespace reeve::sim
