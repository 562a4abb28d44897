#include "daemon/os/slots.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "hal/posix/check.hpp"

namespace reeve::os {

namespace {

constexpr std::uint32_t slots_in_step = 4096 / sizeof(state::Slot);

}  // namespace

state::Exit to_exit(const core::ExitStatus& status) noexcept {
    if (status.unknown) return state::exit_known | state::exit_unknown;
    if (status.signal == 0) return state::exited(static_cast<unsigned>(status.code));
    return state::killed(static_cast<unsigned>(status.signal), status.core_dumped);
}

core::ExitStatus to_status(state::Exit exit) noexcept {
    core::ExitStatus status;
    status.code = static_cast<int>(exit & 0xffU);
    status.signal = static_cast<int>(exit >> 8U & 0xffU);
    status.unknown = (exit & state::exit_unknown) != 0;
    status.core_dumped = (exit & state::exit_dumped_core) != 0;
    return status;
}

core::ProcessRef process_of(const state::Slot& slot) noexcept {
    return {core::UnitId{slot.unit}, core::RunId{slot.run}, slot.step};
}

void store_exit(state::Slot& slot, const core::ExitStatus& status) noexcept {
    state::Exit none = 0;
    std::atomic_ref{slot.exit}.compare_exchange_strong(none, to_exit(status));
}

Slots::Slots(int file) : file_{file} {
    struct stat about {};
    posix::check(::fstat(file, &about), "look at the state");
    if (static_cast<std::size_t>(about.st_size) < state::slots_at)
        throw std::system_error{EPROTO, std::generic_category(), "use the state"};
    void* const memory =
        ::mmap(nullptr, state::mapped_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        throw std::system_error{errno, std::generic_category(), "map the state"};
    header_ = static_cast<state::Header*>(memory);
    slots_ = reinterpret_cast<state::Slot*>(static_cast<std::byte*>(memory) + state::slots_at);
    count_ = header_->slots;
    const bool ours =
        header_->magic == state::magic && header_->layout == state::layout_version &&
        count_ <= state::most_slots &&
        static_cast<std::size_t>(about.st_size) >= state::slots_at + count_ * sizeof(state::Slot);
    if (!ours) {
        ::munmap(memory, state::mapped_size);
        throw std::system_error{EPROTO, std::generic_category(), "use the state"};
    }
    backed_ = count_;
    for (std::uint32_t i = 0; i < count_; ++i) {
        if (!is_used(slots_[i])) free_.push_back(i);
    }
}

Slots::~Slots() {
    ::munmap(header_, state::mapped_size);
}

bool Slots::is_used(state::Slot& slot) noexcept {
    return std::atomic_ref{slot.use}.load(std::memory_order_acquire) != state::Use::free;
}

// With memory behind them, as a page that cannot be had when it is touched is a signal. Only ever
// grows: behind the slots there may be a journal.
bool Slots::back(std::uint32_t count) noexcept {
    while (backed_ < count) {
        const std::uint32_t first = backed_ - backed_ % slots_in_step;
        const auto at = static_cast<off_t>(state::slots_at + first * sizeof(state::Slot));
        int result = 0;
        do {
            result = ::fallocate(file_, 0, at, slots_in_step * sizeof(state::Slot));
        } while (result == -1 && errno == EINTR);
        if (result == -1) return false;
        backed_ = first + slots_in_step;
    }
    return true;
}

// Unused: nobody else looks at what is in it.
state::Slot* Slots::next() {
    if (!free_.empty()) {
        state::Slot& slot = slots_[free_.front()];
        free_.pop_front();
        return &slot;
    }
    if (count_ == state::most_slots) {
        errno = ENOSPC;
        return nullptr;
    }
    if (!back(count_ + 1)) return nullptr;
    state::Slot& slot = slots_[count_++];
    std::atomic_ref{header_->slots}.store(count_, std::memory_order_release);
    return &slot;
}

state::Slot* Slots::take(core::ProcessRef process) {
    state::Slot* const slot = next();
    if (slot == nullptr) return nullptr;
    // Whoever reaps compares pids of slots without an exit: so the old pid goes first.
    std::atomic_ref{slot->pid}.store(0, std::memory_order_release);
    std::atomic_ref{slot->exit}.store(0, std::memory_order_release);
    slot->unit = static_cast<std::uint32_t>(process.unit);
    slot->run = static_cast<std::uint64_t>(process.run);
    slot->step = process.step;
    slot->start_time = 0;
    slot->stage = slot->error = 0;
    std::atomic_ref{slot->use}.store(state::Use::step, std::memory_order_release);
    return slot;
}

state::Slot* Slots::take_main(core::UnitId unit, core::RunId run, pid_t pid,
                              std::uint64_t start_time) {
    state::Slot* const slot = next();
    if (slot == nullptr) return nullptr;
    std::atomic_ref{slot->pid}.store(0, std::memory_order_release);
    std::atomic_ref{slot->exit}.store(0, std::memory_order_release);
    slot->unit = static_cast<std::uint32_t>(unit);
    slot->run = static_cast<std::uint64_t>(run);
    slot->step = 0;
    slot->start_time = start_time;
    slot->stage = slot->error = 0;
    std::atomic_ref{slot->pid}.store(pid, std::memory_order_release);
    std::atomic_ref{slot->use}.store(state::Use::main, std::memory_order_release);
    return slot;
}

void Slots::give_back(state::Slot& slot) {
    std::atomic_ref{slot.use}.store(state::Use::free, std::memory_order_release);
    free_.push_back(static_cast<std::uint32_t>(&slot - slots_));
}

state::Slot* Slots::find(core::ProcessRef process) {
    for (std::uint32_t i = 0; i < count_; ++i) {
        state::Slot& slot = slots_[i];
        if (std::atomic_ref{slot.use}.load(std::memory_order_acquire) == state::Use::step &&
            process_of(slot) == process)
            return &slot;
    }
    return nullptr;
}

std::optional<state::Exit> Slots::unplaced(pid_t pid, std::uint64_t start_time) const {
    const std::uint64_t end =
        std::atomic_ref{header_->next_unplaced}.load(std::memory_order_acquire);
    for (std::uint64_t back = 1; back <= std::min<std::uint64_t>(end, state::unplaced_kept);
         ++back) {
        const state::Unplaced& each = header_->unplaced[(end - back) % state::unplaced_kept];
        if (each.pid == pid && each.start_time == start_time) return each.exit;
    }
    return std::nullopt;
}

}  // namespace reeve::os
