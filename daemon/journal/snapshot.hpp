// All that a successor needs to stand where the manager stood, as bytes and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "units/unit_file.hpp"

namespace reeve::journal {

struct Snapshot {
    std::vector<units::UnitPtr> definitions;  // Engine::definitions()
    std::string engine;                       // Engine::save()
    std::string shell;                        // of the runner, which alone knows what it means
};

std::string to_bytes(const Snapshot& snapshot);
// Throws std::invalid_argument: not a snapshot, or of another version.
Snapshot snapshot_from_bytes(std::string_view bytes);

}  // namespace reeve::journal
