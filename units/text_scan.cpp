#include "units/text_scan.hpp"

#include <algorithm>
#include <array>

#include "units/utf8.hpp"

namespace reeve::units {

namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}

// "\u8BFB", "\U0001F916"
std::string escaped(std::uint32_t code) {
    const unsigned digits = code > 0xFFFF ? 8 : 4;
    std::string out = digits == 8 ? "\\U" : "\\u";
    for (unsigned i = digits; i-- > 0;) out += hex_digits[code >> (4 * i) & 0xFU];
    return out;
}

}  // namespace

// Follows strings and comments as TOML does, character by character.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_{text} {
        result_.text_ = text;
        result_.changed_ = !is_ascii(text);
    }

    static ScannedText refused(SyntaxError error) {
        ScannedText result;
        result.error_ = std::move(error);
        return result;
    }

    ScannedText run() {
        while (at_ < text_.size() && !result_.error_) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c >= 0x80)
                beyond_ascii();
            else if (c == '\n')
                new_line();
            else if (c == 0x7F || (c < 0x20 && c != '\t' && c != '\r'))
                fail(std::string{"control character U+00"} + hex_digits[c >> 4U] +
                     hex_digits[c & 15U]);
            else
                step(static_cast<char>(c));
        }
        return std::move(result_);
    }

private:
    enum class Mode { bare, comment, basic, literal, long_basic, long_literal };

    void fail(std::string text) { result_.error_ = SyntaxError{line_, column_, std::move(text)}; }

    // Hands `count` characters on as they are.
    void keep(std::size_t count) {
        if (result_.changed_) result_.ascii_.append(text_.substr(at_, count));
        at_ += count;
        column_ += static_cast<unsigned>(count);
        out_column_ += static_cast<unsigned>(count);
    }

    // Hands `instead` on for the character at this place, which has `bytes`.
    void replace(std::size_t bytes, std::string_view instead) {
        const auto length = static_cast<unsigned>(instead.size());
        if (length != 1) result_.growths_.push_back({line_, out_column_, length});
        result_.ascii_.append(instead);
        at_ += bytes;
        ++column_;
        out_column_ += length;
    }

    void beyond_ascii() {
        const auto [length, code] = first_character(text_.substr(at_));
        if (length == 0) return fail("invalid UTF-8");
        if (mode_ == Mode::bare) return fail("non-ASCII character outside of strings and comments");
        if (mode_ == Mode::comment) return replace(length, "?");
        const bool escapes = mode_ == Mode::basic || mode_ == Mode::long_basic;
        if (escapes && text_[at_ - 1] == '\\' && !after_escape_) return fail("unknown escape");
        replace(length, escaped(code));
    }

    void new_line() {
        if (mode_ == Mode::basic || mode_ == Mode::literal)
            return fail("the string does not end on its line");
        if (mode_ == Mode::comment) mode_ = Mode::bare;
        dots_ = 0;
        keep(1);
        ++line_;
        column_ = out_column_ = 1;
    }

    void step(char c) {
        after_escape_ = false;
        switch (mode_) {
            case Mode::bare: return bare(c);
            case Mode::comment: return keep(1);
            case Mode::basic:
                if (c == '\\') return escape();
                if (c == '"') mode_ = Mode::bare;
                return keep(1);
            case Mode::literal: return literal(c);
            case Mode::long_basic:
                if (c == '\\') return escape();
                return c == '"' ? long_end('"') : keep(1);
            case Mode::long_literal: return c == '\'' ? long_end('\'') : literal(c);
        }
    }

    void bare(char c) {
        if (c == '"') return open('"', Mode::basic, Mode::long_basic);
        if (c == '\'') return open('\'', Mode::literal, Mode::long_literal);
        if (c == '#') mode_ = Mode::comment;
        if (c == '=' || c == ',' || c == '[' || c == '{') dots_ = 0;
        if (c == '.' && ++dots_ > max_dots) return fail("too many dots in a key");
        keep(1);
    }

    void open(char quote, Mode one_line, Mode many_lines) {
        const std::array<char, 3> three{quote, quote, quote};
        const std::string_view quotes{three.data(), three.size()};
        const bool is_long = text_.substr(at_).starts_with(quotes);
        mode_ = is_long ? many_lines : one_line;
        const std::size_t length = is_long ? 3 : 1;
        const std::string_view rest = text_.substr(at_ + length);
        const auto end = is_long ? rest.find(quotes) : rest.find_first_of("'\n");
        converts_ = quote == '\'' && result_.changed_ && !is_ascii(rest.substr(0, end));
        if (!converts_) return keep(length);
        for (std::size_t i = 0; i < length; ++i) replace(1, "\"");
    }

    // A character of a literal string, which may be on its way to become a basic one.
    void literal(char c) {
        if (converts_ && (c == '\\' || c == '"')) return replace(1, c == '"' ? "\\\"" : "\\\\");
        if (c != '\'' || mode_ != Mode::literal) return keep(1);
        mode_ = Mode::bare;
        return converts_ ? replace(1, "\"") : keep(1);
    }

    // A backslash and what it escapes; not a line end, and not a part of a longer character.
    void escape() {
        const auto next = at_ + 1 < text_.size() ? static_cast<unsigned char>(text_[at_ + 1]) : 0U;
        const bool pair = next >= 0x20 && next < 0x7F;
        keep(pair ? 2 : 1);
        after_escape_ = pair;
    }

    // Three quotes end a long string; up to two more before them belong to it.
    void long_end(char quote) {
        std::size_t count = 0;
        while (count < 5 && at_ + count < text_.size() && text_[at_ + count] == quote) ++count;
        const bool ends = count >= 3;
        const std::size_t inner = ends ? count - 3 : count;
        keep(inner);
        if (!ends) return;
        mode_ = Mode::bare;
        if (quote == '"' || !converts_) return keep(3);
        for (int i = 0; i < 3; ++i) replace(1, "\"");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    unsigned line_ = 1;
    unsigned column_ = 1;
    unsigned out_column_ = 1;
    int dots_ = 0;
    Mode mode_ = Mode::bare;
    bool after_escape_ = false;  // the backslash before this place was itself escaped
    bool converts_ = false;      // this literal string becomes a basic one
    ScannedText result_;
};

unsigned ScannedText::source_column(unsigned line, unsigned column) const {
    unsigned shift = 0;
    const auto first = std::ranges::lower_bound(growths_, line, {}, &Growth::line);
    for (auto it = first; it != growths_.end() && it->line == line && it->column < column; ++it)
        shift += std::min(it->length - 1, column - it->column);
    return column - shift;
}

ScannedText scan(std::string_view text) {
    if (text.size() <= max_text) return Scanner{text}.run();
    return Scanner::refused({0, 0, "larger than 1 MiB"});
}

}  // namespace reeve::units
