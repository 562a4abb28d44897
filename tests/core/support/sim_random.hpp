// Chance for the simulator: the same seed gives the same throws on every machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "daemon/core/types.hpp"

namespace reeve::sim {

// splitmix64. The distributions of <random> differ between libraries; these do not.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_{seed} {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    // 0 ≤ result < bound; bound > 0.
    std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>(next() % bound); }
    bool chance(std::uint32_t percent) { return below(100) < percent; }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    core::Duration between(core::Duration low, core::Duration high) {
        const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
        return low + core::Duration{static_cast<std::int64_t>(next() % span)};
    }
    template <class T>
    const T& of(const std::vector<T>& items) {
        return items[below(items.size())];
    }

private:
    std::uint64_t state_;
};

}  // namespace reeve::sim
