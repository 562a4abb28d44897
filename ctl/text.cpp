#include "ctl/text.hpp"

#include <algorithm>
#include <iterator>

namespace reeve::ctl {

namespace {

struct Range {
    char32_t first;
    char32_t last;
};

// Combining marks and characters without an appearance, sorted.
constexpr Range zero_width[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489},   {0x0591, 0x05BD},   {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x06D6, 0x06DC}, {0x0900, 0x0902},   {0x093C, 0x093C},   {0x0941, 0x0948}, {0x094D, 0x094D},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},   {0x0E47, 0x0E4E},   {0x1160, 0x11FF}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF}, {0x200B, 0x200F},   {0x202A, 0x202E},   {0x2060, 0x2064}, {0x2066, 0x206F},
    {0x20D0, 0x20F0}, {0x302A, 0x302D},   {0x3099, 0x309A},   {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
    {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0001, 0xE01EF},
};

// East Asian wide and full width, and emoji, sorted.
constexpr Range double_width[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
    {0x23F0, 0x23F0},   {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267F, 0x267F},   {0x2693, 0x2693},   {0x26A1, 0x26A1},
    {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
    {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
    {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},
    {0x2728, 0x2728},   {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27B0, 0x27B0},   {0x27BF, 0x27BF},
    {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},   {0x2E80, 0x303E},
    {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18DFF},
    {0x1B000, 0x1B2FF}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E},
    {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C},
    {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3}, {0x1F3E0, 0x1F3F0},
    {0x1F3F4, 0x1F3F4}, {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC},
    {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F54E}, {0x1F550, 0x1F567}, {0x1F57A, 0x1F57A},
    {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5},
    {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6D2}, {0x1F6D5, 0x1F6D7}, {0x1F6EB, 0x1F6EC},
    {0x1F6F4, 0x1F6FC}, {0x1F7E0, 0x1F7EB}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945},
    {0x1F947, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD},
};

template <std::size_t N>
bool among(const Range (&ranges)[N], char32_t code) noexcept {
    const Range* found =
        std::lower_bound(std::begin(ranges), std::end(ranges), code,
                         [](const Range& range, char32_t value) { return range.last < value; });
    return found != std::end(ranges) && found->first <= code;
}

unsigned byte_at(std::string_view text, std::size_t index) noexcept {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
}

}  // namespace

Glyph next_glyph(std::string_view text) noexcept {
    const unsigned first = byte_at(text, 0);
    if (first < 0x80) return {char32_t{first}, 1, true};
    const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xC2 || first > 0xF4) return {0xFFFD, 1, false};
    char32_t code = first & (0x7FU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        const unsigned next = byte_at(text, i);
        if ((next & 0xC0U) != 0x80U) return {0xFFFD, i, false};
        code = (code << 6U) | (next & 0x3FU);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < smallest[bytes] || code > 0x10FFFF || surrogate) return {0xFFFD, bytes, false};
    return {code, bytes, true};
}

void append_utf8(std::string& out, char32_t code) {
    const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
    if ((code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) code = 0xFFFD;
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6U));
        put(0x80 | (code & 0x3FU));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12U));
        put(0x80 | ((code >> 6U) & 0x3FU));
        put(0x80 | (code & 0x3FU));
    } else {
        put(0xF0 | (code >> 18U));
        put(0x80 | ((code >> 12U) & 0x3FU));
        put(0x80 | ((code >> 6U) & 0x3FU));
        put(0x80 | (code & 0x3FU));
    }
}

int width_of(char32_t code) noexcept {
    if (code < 0x300) return 1;
    if (among(zero_width, code)) return 0;
    return among(double_width, code) ? 2 : 1;
}

std::size_t width(std::string_view text) noexcept {
    std::size_t columns = 0;
    while (!text.empty()) {
        const Glyph glyph = next_glyph(text);
        columns += static_cast<std::size_t>(width_of(glyph.code));
        text.remove_prefix(glyph.bytes);
    }
    return columns;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Glyph glyph = next_glyph(text);
        const bool space = glyph.code == '\t' || glyph.code == '\n' || glyph.code == '\r';
        const bool control = glyph.code < 0x20 || (glyph.code >= 0x7F && glyph.code < 0xA0);
        // Marks that reorder a line would let a name pose as another.
        const bool reorders = (glyph.code >= 0x202A && glyph.code <= 0x202E) ||
                              (glyph.code >= 0x2066 && glyph.code <= 0x2069);
        if (space) {
            out += ' ';
        } else if (!glyph.valid || control || reorders) {
            append_utf8(out, 0xFFFD);
        } else {
            out += text.substr(0, glyph.bytes);
        }
        text.remove_prefix(glyph.bytes);
    }
    return out;
}

std::string shorten(std::string_view text, std::size_t columns) {
    if (width(text) <= columns) return std::string{text};
    if (columns == 0) return {};
    std::string out;
    std::size_t used = 0;
    while (!text.empty()) {
        const Glyph glyph = next_glyph(text);
        used += static_cast<std::size_t>(width_of(glyph.code));
        if (used > columns - 1) break;
        out += text.substr(0, glyph.bytes);
        text.remove_prefix(glyph.bytes);
    }
    return out + "…";
}

std::string pad(std::string text, std::size_t columns) {
    const std::size_t used = width(text);
    if (used < columns) text.append(columns - used, ' ');
    return text;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
    std::string out;
    for (const auto& word : words) {
        if (!out.empty()) out += separator;
        out += word;
    }
    return out;
}

}  // namespace reeve::ctl
