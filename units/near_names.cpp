#include "units/near_names.hpp"

#include <algorithm>
#include <functional>

#include "units/names.hpp"

namespace reeve::units {

namespace {

constexpr std::size_t longest = 64;  // longer names are not compared

// Hashes of the name itself and of it with each single character left out.
template <class Visit>
void for_each_shortened(std::string_view name, const Visit& visit) {
    visit(std::hash<std::string_view>{}(name));
    std::string shortened;
    for (std::size_t i = 0; i < name.size(); ++i) {
        shortened.assign(name.substr(0, i)).append(name.substr(i + 1));
        visit(std::hash<std::string_view>{}(shortened));
    }
}

// "disk2" beside "disk1" is a sibling, not a slip.
bool is_slip(std::string_view a, std::string_view b) {
    if (edit_distance(a, b) != 1) return false;
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto [in_a, in_b] = std::ranges::mismatch(a, b);
    if (in_a == a.end()) return !digit(*in_b);
    if (in_b == b.end()) return !digit(*in_a);
    return !(digit(*in_a) && digit(*in_b));
}

}  // namespace

void NearNames::add(std::string_view name) {
    if (name.size() > longest) return;
    const std::size_t index = names_.size();
    names_.push_back(name);
    for_each_shortened(name, [&](std::size_t hash) { by_shortened_.emplace(hash, index); });
}

std::string_view NearNames::find(std::string_view name) const {
    if (name.size() > longest || name.size() < 2) return {};
    constexpr std::string_view suffix = ".service";  // as systemd writes it
    if (name.ends_with(suffix)) {
        const std::string_view bare = name.substr(0, name.size() - suffix.size());
        const auto [first, last] = by_shortened_.equal_range(std::hash<std::string_view>{}(bare));
        for (auto it = first; it != last; ++it)
            if (names_[it->second] == bare) return bare;
    }
    std::size_t best = names_.size();
    for_each_shortened(name, [&](std::size_t hash) {
        const auto [first, last] = by_shortened_.equal_range(hash);
        for (auto it = first; it != last; ++it)
            if (it->second < best && is_slip(name, names_[it->second])) best = it->second;
    });
    return best == names_.size() ? std::string_view{} : names_[best];
}

}  // namespace reeve::units
