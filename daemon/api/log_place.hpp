// How far somebody has come in what a unit printed, as reevectl says it to a manager that comes
// after the one it followed. std only.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reeve::api {

// FNV-1a of a line as it is shown, without its newline.
constexpr std::uint64_t sum_of_line(std::string_view line) noexcept {
    std::uint64_t sum = 0xcbf2'9ce4'8422'2325U;
    for (const char c : line) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3U;
    return sum;
}

// The last line that was read: which it is of those in a row that have its time (from 1; 0: not
// known), and its sum.
struct LogPlace {
    std::uint64_t number = 0;
    std::uint64_t sum = 0;
    friend bool operator==(const LogPlace&, const LogPlace&) = default;
};

// "NUMBER SUM", decimal.
inline std::string to_text(const LogPlace& place) {
    return std::to_string(place.number) + " " + std::to_string(place.sum);
}

// nullopt: it is something else.
inline std::optional<LogPlace> log_place(std::string_view text) noexcept {
    LogPlace place;
    const char* const end = text.data() + text.size();
    const auto number = std::from_chars(text.data(), end, place.number);
    if (number.ec != std::errc{} || number.ptr == end || *number.ptr != ' ') return {};
    const auto sum = std::from_chars(number.ptr + 1, end, place.sum);
    if (sum.ec != std::errc{} || sum.ptr != end) return {};
    return place;
}

}  // namespace reeve::api
