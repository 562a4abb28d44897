// Among many names, one that is a single slip away, without comparing with all of them.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace reeve::units {

class NearNames {
public:
    // The names must outlive this.
    void add(std::string_view name);
    // A name with one character more, less, other or swapped with its neighbour, or a name that
    // only lacks a suffix such as ".service"; empty: none. The first by order of `add`.
    [[nodiscard]] std::string_view find(std::string_view name) const;

private:
    std::vector<std::string_view> names_;
    // Two names a slip apart share one of the words that come of leaving one character out.
    std::unordered_multimap<std::size_t, std::size_t> by_shortened_;
};

}  // namespace reeve::units
