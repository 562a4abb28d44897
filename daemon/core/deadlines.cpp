#include "daemon/core/deadlines.hpp"

namespace reeve::core {

namespace {
constexpr std::uint32_t nowhere = ~0U;
}

void Deadlines::set(Unit& unit, TimePoint at) {
    const std::uint32_t at_place = unit.heap_place;
    if (at_place == nowhere) {
        if (at == never) return;
        heap_.push_back({at, &unit});
        unit.heap_place = static_cast<std::uint32_t>(heap_.size() - 1);
        return sift_up(heap_.size() - 1);
    }
    if (at != never) {
        heap_[at_place].at = at;
        sift_up(at_place);
        return sift_down(unit.heap_place);
    }
    unit.heap_place = nowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.unit == &unit) return;
    place(at_place, last);
    sift_up(at_place);
    sift_down(last.unit->heap_place);
}

void Deadlines::place(std::size_t index, Entry entry) {
    heap_[index] = entry;
    entry.unit->heap_place = static_cast<std::uint32_t>(index);
}

void Deadlines::sift_up(std::size_t index) {
    const Entry entry = heap_[index];
    while (index > 0 && entry.at < heap_[(index - 1) / 2].at) {
        place(index, heap_[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    place(index, entry);
}

void Deadlines::sift_down(std::size_t index) {
    const Entry entry = heap_[index];
    for (std::size_t child = 2 * index + 1; child < heap_.size(); child = 2 * index + 1) {
        if (child + 1 < heap_.size() && heap_[child + 1].at < heap_[child].at) ++child;
        if (!(heap_[child].at < entry.at)) break;
        place(index, heap_[child]);
        index = child;
    }
    place(index, entry);
}

}  // namespace reeve::core
