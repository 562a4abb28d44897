// Shutdown (semantics §10): no more starts; join; all must go; the target `shutdown`; the rest.
#include "daemon/core/world.hpp"

namespace reeve::core {

void World::enter_phase(Phase next) {
    phase = next;
    joining_.clear();
    switch (next) {
        case Phase::normal: break;
        case Phase::joining:
            for (const auto& [name, unit] : graph.units()) {
                const units::UnitFile* file = unit->file();
                if (file != nullptr && file->service && !file->service->daemonic &&
                    unit->machine.has_process())
                    joining_.push_back(unit.get());
            }
            break;
        case Phase::going: break;
        case Phase::last_target:
            for (const char* name : {"shutdown", "shutdown.target"})
                if (last_target == nullptr) last_target = graph.find(name);
            break;
        case Phase::ended:
            cancel_all_requests();
            out_.emplace_back(ShutdownComplete{now_ < shutdown_until});
            return;
    }
    for (const auto& [name, unit] : graph.units()) {
        rederive(*unit);
        touch(*unit);
    }
}

// True when the next phase begins. Called when all is quiet.
bool World::advance_shutdown() {
    if (phase == Phase::normal || phase == Phase::ended) return false;
    if (now_ >= shutdown_until) {
        enter_phase(Phase::ended);
        return true;
    }
    switch (phase) {
        case Phase::joining:
            while (!joining_.empty() && !joining_.back()->machine.has_process())
                joining_.pop_back();
            if (!joining_.empty() && now_ < join_until) return false;
            enter_phase(Phase::going);
            return true;
        case Phase::going:
            if (running_ > 0) return false;
            enter_phase(Phase::last_target);
            return true;
        case Phase::last_target: {
            const bool more = last_target != nullptr && is_wanted(*last_target) &&
                              last_target->state() != State::up && !has_settled(*last_target);
            if (more) return false;
            enter_phase(Phase::ended);
            return true;
        }
        case Phase::normal:
        case Phase::ended: break;
    }
    return false;
}

}  // namespace reeve::core
