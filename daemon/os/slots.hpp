// The slots of processes in the state that outlives us: see daemon/init/layout.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>

#include "daemon/core/types.hpp"
#include "daemon/init/layout.hpp"

namespace reeve::os {

// Both ways; what has not ended (0) is no status.
state::Exit to_exit(const core::ExitStatus& status) noexcept;
core::ExitStatus to_status(state::Exit exit) noexcept;

class Slots {
public:
    // Maps `file` (a memfd that holds a Header at least) and takes note of the slots in use.
    // Borrows `file`, which has to stay open. Throws std::system_error; EPROTO: its layout is not
    // ours.
    explicit Slots(int file);
    ~Slots();
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    [[nodiscard]] state::Header& header() const noexcept { return *header_; }

    // A slot for a process that will be started. nullptr: the file cannot grow (errno).
    state::Slot* take(core::ProcessRef process);
    // A slot for a process that is there: the main process of a run.
    state::Slot* take_main(core::UnitId unit, core::RunId run, pid_t pid, std::uint64_t start_time);
    // The news of its process is recorded, or it was never cloned.
    void give_back(state::Slot& slot);

    template <class Each>
    void for_each_used(Each each) {
        for (std::uint32_t i = 0; i < count_; ++i) {
            if (is_used(slots_[i])) each(slots_[i]);
        }
    }
    // nullptr: none. Goes through all of them.
    [[nodiscard]] state::Slot* find(core::ProcessRef process);
    // Of a process that the keeper reaped before anybody knew whose it was; nullopt: not (any more)
    // among those.
    [[nodiscard]] std::optional<state::Exit> unplaced(pid_t pid, std::uint64_t start_time) const;

private:
    [[nodiscard]] static bool is_used(state::Slot& slot) noexcept;
    bool back(std::uint32_t count) noexcept;
    state::Slot* next();

    int file_;
    state::Header* header_ = nullptr;
    state::Slot* slots_ = nullptr;
    std::uint32_t count_ = 0;         // ever used
    std::uint32_t backed_ = 0;        // have memory
    std::deque<std::uint32_t> free_;  // the one freed first is used first
};

core::ProcessRef process_of(const state::Slot& slot) noexcept;

// The words that kernel, keeper and child write while we look.
inline pid_t pid_in(state::Slot& slot) noexcept {
    return std::atomic_ref{slot.pid}.load(std::memory_order_acquire);
}
inline state::Exit exit_in(state::Slot& slot) noexcept {
    return std::atomic_ref{slot.exit}.load(std::memory_order_acquire);
}
inline int error_in(state::Slot& slot) noexcept {
    return std::atomic_ref{slot.error}.load(std::memory_order_acquire);
}
// Before its process is reaped. The first one stays.
void store_exit(state::Slot& slot, const core::ExitStatus& status) noexcept;

}  // namespace reeve::os
