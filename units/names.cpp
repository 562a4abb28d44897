#include "units/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace reeve::units {

namespace {

bool is_word_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_unit_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 200;  // leaves room for ".toml.d" in a file name
    if (name.empty() || name.size() > longest || name.front() == '@' || name.front() == '.')
        return false;
    const auto fits = [](char c) {
        return is_word_character(c) ||
               std::string_view{":_.-\\@"}.find(c) != std::string_view::npos;
    };
    return std::ranges::all_of(name, fits) && std::ranges::count(name, '@') <= 1;
}

bool is_template(std::string_view name) noexcept {
    return name.ends_with('@');
}

bool is_instance(std::string_view name) noexcept {
    return !is_template(name) && name.find('@') != std::string_view::npos;
}

std::string_view template_of(std::string_view instance) noexcept {
    return instance.substr(0, instance.find('@') + 1);
}

std::string_view instance_of(std::string_view name) noexcept {
    const auto at = name.find('@');
    return at == std::string_view::npos ? std::string_view{} : name.substr(at + 1);
}

std::string_view prefix_of(std::string_view name) noexcept {
    return name.substr(0, name.find('@'));
}

bool is_event_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 200;
    const auto fits = [](char c) {
        return is_word_character(c) ||
               std::string_view{":_.-\\@/"}.find(c) != std::string_view::npos;
    };
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, fits);
}

std::span<const std::string_view> stock_aliases(std::string_view name) noexcept {
    struct Stock {
        std::string_view name;
        std::array<std::string_view, 3> aliases;
        std::size_t count;
    };
    static constexpr std::array stock{
        Stock{"basic", {"basic.target"}, 1},
        Stock{"default", {"default.target", "multi-user", "multi-user.target"}, 3},
        Stock{"network", {"network.target", "network-online", "network-online.target"}, 3},
        Stock{"shutdown", {"shutdown.target"}, 1},
        Stock{"sysinit", {"sysinit.target"}, 1},
    };
    for (const Stock& target : stock)
        if (target.name == name) return std::span{target.aliases}.first(target.count);
    return {};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t most = 64;
    a = a.substr(0, most);
    b = b.substr(0, most);
    std::array<std::size_t, most + 1> before{};
    std::array<std::size_t, most + 1> last{};
    std::array<std::size_t, most + 1> row{};
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
    }
    return last[b.size()];
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
    std::string_view best;
    std::size_t least = 1 + word.size() / 3;  // further off it would be a guess
    for (const std::string_view candidate : known) {
        const std::size_t longer = std::max(word.size(), candidate.size());
        if (longer - std::min(word.size(), candidate.size()) > least) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance > least || (distance == least && !best.empty())) continue;
        if (distance >= candidate.size()) continue;  // nothing in common
        best = candidate;
        least = distance;
    }
    return best;
}

std::string unescape(std::string_view escaped) {
    std::string out;
    for (std::size_t i = 0; i < escaped.size(); ++i) {
        unsigned byte = 0;
        const std::string_view rest = escaped.substr(i);
        if (rest.starts_with("\\x") && rest.size() >= 4) {
            const auto [end, error] = std::from_chars(rest.data() + 2, rest.data() + 4, byte, 16);
            if (error == std::errc{} && end == rest.data() + 4) {
                out += static_cast<char>(byte);
                i += 3;
                continue;
            }
        }
        out += escaped[i] == '-' ? '/' : escaped[i];
    }
    return out;
}

}  // namespace reeve::units
