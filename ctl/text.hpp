// Text as a terminal shows it: UTF-8, the columns it takes, and nothing that moves the cursor.
// Knows its own widths: the C library's need a locale, which costs time and may be missing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::ctl {

// The first character of a text that is not empty.
struct Glyph {
    char32_t code = 0;
    std::size_t bytes = 1;  // how many to skip, also when it is not valid
    bool valid = true;      // false: not UTF-8 (overlong, surrogate, cut off …)
};
Glyph next_glyph(std::string_view text) noexcept;

void append_utf8(std::string& out, char32_t code);

// Columns of one character: 0 (combining), 1, or 2 (Chinese, Japanese, Korean, emoji).
int width_of(char32_t code) noexcept;
// Columns of a text that printable() has cleaned.
std::size_t width(std::string_view text) noexcept;

// The same in one line that is safe to show: control characters and broken bytes become U+FFFD,
// tabs and newlines a space. What a service says of itself must not paint the screen.
std::string printable(std::string_view text);

// At most `columns` wide; what is cut ends in "…". Never cuts a character.
std::string shorten(std::string_view text, std::size_t columns);

// Filled with spaces to `columns`; longer text stays as it is.
std::string pad(std::string text, std::size_t columns);

std::string join(const std::vector<std::string>& words, std::string_view separator);

}  // namespace reeve::ctl
