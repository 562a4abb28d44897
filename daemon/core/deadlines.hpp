// The units' deadlines as an indexed heap: one entry a unit, moved in place.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/core/graph.hpp"

namespace reeve::core {

class Deadlines {
public:
    // `never` takes the unit out.
    void set(Unit& unit, TimePoint at);
    [[nodiscard]] TimePoint earliest() const noexcept {
        return heap_.empty() ? never : heap_.front().at;
    }
    // The unit whose deadline is the earliest; there must be one.
    [[nodiscard]] Unit& first() const noexcept { return *heap_.front().unit; }

private:
    struct Entry {
        TimePoint at;
        Unit* unit;
    };
    void place(std::size_t index, Entry entry);
    void sift_up(std::size_t index);
    void sift_down(std::size_t index);
    std::vector<Entry> heap_;
};

}  // namespace reeve::core
