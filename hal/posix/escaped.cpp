#include "hal/posix/escaped.hpp"

#include <cstddef>

namespace reeve::posix {

namespace {

unsigned byte_at(std::string_view text, std::size_t index) noexcept {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
}

// The bytes of the character `text` begins with; 0: it begins with none.
std::size_t length_of_character(std::string_view text) noexcept {
    const unsigned first = byte_at(text, 0);
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4) return 0;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte_at(text, i) & 0xC0U) != 0x80U) return 0;
    const unsigned second = byte_at(text, 1);
    const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    const bool surrogate = first == 0xED && second >= 0xA0;
    const bool beyond = first == 0xF4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool is_control(std::string_view character) noexcept {
    const unsigned first = byte_at(character, 0);
    if (first == 0xC2) return byte_at(character, 1) < 0xA0;
    return (first < 0x20 && first != '\t') || first == 0x7F;
}

}  // namespace

std::string escaped(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = length_of_character(text);
        const std::string_view character = text.substr(0, length == 0 ? 1 : length);
        if (length != 0 && !is_control(character)) {
            out += character;
        } else {
            for (const char c : character) {
                const unsigned byte = static_cast<unsigned char>(c);
                out.append("\\x").append(1, digits[byte >> 4U]).append(1, digits[byte & 15U]);
            }
        }
        text.remove_prefix(character.size());
    }
    return out;
}

}  // namespace reeve::posix
