#include "units/utf8.hpp"

namespace reeve::units {

Utf8Character first_character(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) -> std::uint32_t {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const auto bits = [&](std::size_t i) { return byte(i) & 0x3FU; };
    const std::uint32_t first = byte(0);
    if (text.empty()) return {};
    if (first < 0x80) return {1, first};
    if (first >= 0xC2 && first <= 0xDF && tail(1)) return {2, (first & 0x1FU) << 6U | bits(1)};
    if (first >= 0xE0 && first <= 0xEF && tail(1) && tail(2)) {
        const std::uint32_t code = (first & 0x0FU) << 12U | bits(1) << 6U | bits(2);
        const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (code >= 0x800 && !surrogate) return {3, code};
    }
    if (first >= 0xF0 && first <= 0xF4 && tail(1) && tail(2) && tail(3)) {
        const std::uint32_t code =
            (first & 0x07U) << 18U | bits(1) << 12U | bits(2) << 6U | bits(3);
        if (code >= 0x10000 && code <= 0x10FFFF) return {4, code};
    }
    return {};
}

}  // namespace reeve::units
