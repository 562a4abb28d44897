// The state as keeper and manager share it, and what a kill would leave of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/init/layout.hpp"
#include "daemon/journal/journal.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::journal::testing {

class Memory {
public:
    Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] state::Header& header() const { return *header_; }
    [[nodiscard]] Recovered recover() const { return journal::recover(fd(), header()); }
    [[nodiscard]] Journal open() const { return Journal{fd(), header(), recover()}; }
    // As it is now, holes and all.
    [[nodiscard]] std::unique_ptr<Memory> copy() const;
    [[nodiscard]] std::uint64_t bytes_in_use() const;
    // The byte at `at` of the active region.
    [[nodiscard]] char get(std::uint64_t at) const;
    void put(std::uint64_t at, char value) const;
    void cut(std::uint64_t at) const;  // only what is before it in the active region stays

private:
    posix::Fd fd_;
    state::Header* header_;
};

// What the kernel does to pwrite and fallocate of this program; restored by ~Faults.
struct Faults {
    Faults();
    Faults(const Faults&) = delete;
    Faults& operator=(const Faults&) = delete;
    ~Faults();
    std::function<void()> before;  // each call
    std::function<int()> fail;     // errno for this call; 0: none
    std::size_t most = SIZE_MAX;   // bytes that one write takes
};

}  // namespace reeve::journal::testing
