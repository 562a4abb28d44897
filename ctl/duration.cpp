#include "ctl/duration.hpp"

#include <array>
#include <charconv>

namespace reeve::ctl {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t microseconds;
};
constexpr std::array<Unit, 7> units{{{"us", 1},
                                     {"ms", 1'000},
                                     {"min", 60'000'000},
                                     {"s", 1'000'000},
                                     {"h", 3'600'000'000},
                                     {"d", 86'400'000'000},
                                     {"w", 604'800'000'000}}};

std::string two_parts(std::int64_t big, const char* big_name, std::int64_t small,
                      const char* small_name) {
    std::string out = std::to_string(big) + " " + big_name;
    if (small != 0) out += " " + std::to_string(small) + " " + small_name;
    return out;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "infinity") return forever;
    double total = 0;
    bool any = false;
    while (!text.empty()) {
        if (text.front() == ' ') {
            text.remove_prefix(1);
            continue;
        }
        double number = 0;
        const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number,
                                                   std::chars_format::fixed);
        if (error != std::errc{} || number < 0) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
        const auto letters = text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
        const Unit* unit = nullptr;
        for (const Unit& known : units) {
            if (known.name == letters) unit = &known;
        }
        if (unit == nullptr) return std::nullopt;
        text.remove_prefix(letters.size());
        total += number * static_cast<double>(unit->microseconds);
        any = true;
    }
    if (!any || total > 9.2e18) return std::nullopt;
    return Duration{static_cast<std::int64_t>(total + 0.5)};
}

std::string to_text(Duration duration) {
    const std::int64_t us = duration.count() < 0 ? 0 : duration.count();
    if (duration == forever) return "infinity";
    if (us < 1'000) return std::to_string(us) + " us";
    if (us < 1'000'000) return std::to_string(us / 1'000) + " ms";
    if (us < 10'000'000) {
        const std::int64_t tenths = us / 100'000;
        return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
    }
    return to_seconds_text(duration);
}

std::string to_seconds_text(Duration duration) {
    const std::int64_t s = duration.count() < 0 ? 0 : duration.count() / 1'000'000;
    if (s < 60) return std::to_string(s) + " s";
    if (s < 3'600) return two_parts(s / 60, "min", s % 60, "s");
    if (s < 86'400) return two_parts(s / 3'600, "h", s % 3'600 / 60, "min");
    return two_parts(s / 86'400, "d", s % 86'400 / 3'600, "h");
}

}  // namespace reeve::ctl
