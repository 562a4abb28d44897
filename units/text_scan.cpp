#include "units/text_scan.hpp"

#include <array>

namespace reeve::units {

namespace {

// Length of the well-formed UTF-8 sequence at the front (RFC 3629); 0: none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
        return tail(1) && tail(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
        return tail(1) && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

// Follows strings and comments as TOML does, character by character.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_{text} {}

    std::optional<SyntaxError> run() {
        while (at_ < text_.size()) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c >= 0x80) {
                const std::size_t length = sequence_length(text_.substr(at_));
                if (length == 0) return error("invalid UTF-8");
                if (mode_ == Mode::bare)
                    return error("non-ASCII character outside of strings and comments");
                at_ += length;
                ++column_;
                continue;
            }
            if (c == 0x7F || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
                return error("control character");
            if (c == '\n') {
                new_line();
                continue;
            }
            const std::size_t taken = step(static_cast<char>(c));
            if (dots_ > max_dots) return error("too many dots in a key");
            at_ += taken;
            column_ += static_cast<unsigned>(taken);
        }
        return std::nullopt;
    }

private:
    enum class Mode { bare, comment, basic, literal, long_basic, long_literal };

    [[nodiscard]] SyntaxError error(std::string text) const {
        return {line_, column_, std::move(text)};
    }

    void new_line() {
        // A short string does not reach beyond its line; toml++ refuses it there.
        if (mode_ != Mode::long_basic && mode_ != Mode::long_literal) {
            mode_ = Mode::bare;
            dots_ = 0;
        }
        ++at_;
        ++line_;
        column_ = 1;
    }

    // How many characters belong together at this place, all of them ASCII.
    std::size_t step(char c) {
        switch (mode_) {
            case Mode::bare: return bare(c);
            case Mode::comment: return 1;
            case Mode::basic:
                if (c == '\\') return escape();
                if (c == '"') mode_ = Mode::bare;
                return 1;
            case Mode::literal:
                if (c == '\'') mode_ = Mode::bare;
                return 1;
            case Mode::long_basic:
                if (c == '\\') return escape();
                return long_end('"');
            case Mode::long_literal: return long_end('\'');
        }
        return 1;
    }

    std::size_t bare(char c) {
        switch (c) {
            case '#': mode_ = Mode::comment; return 1;
            case '"': return open('"', Mode::basic, Mode::long_basic);
            case '\'': return open('\'', Mode::literal, Mode::long_literal);
            case '.': ++dots_; return 1;
            case '=':
            case ',':
            case '[':
            case '{': dots_ = 0; return 1;
            default: return 1;
        }
    }

    std::size_t open(char quote, Mode one_line, Mode many_lines) {
        const std::array<char, 3> three{quote, quote, quote};
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with(std::string_view{three.data(), 3})) {
            mode_ = many_lines;
            return 3;
        }
        mode_ = one_line;
        return 1;
    }

    // A backslash and what it escapes; not a line end, and not half of a longer character.
    [[nodiscard]] std::size_t escape() const {
        if (at_ + 1 >= text_.size()) return 1;
        const auto next = static_cast<unsigned char>(text_[at_ + 1]);
        return next >= 0x20 && next < 0x7F ? 2 : 1;
    }

    // Three quotes end a long string; up to two more before them belong to it.
    std::size_t long_end(char quote) {
        std::size_t count = 0;
        while (at_ + count < text_.size() && text_[at_ + count] == quote && count < 5) ++count;
        if (count >= 3) mode_ = Mode::bare;
        return count == 0 ? 1 : count;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    unsigned line_ = 1;
    unsigned column_ = 1;
    int dots_ = 0;
    Mode mode_ = Mode::bare;
};

}  // namespace

std::optional<SyntaxError> scan(std::string_view text) {
    if (text.size() > max_text) return SyntaxError{0, 0, "larger than 1 MiB"};
    return Scanner{text}.run();
}

}  // namespace reeve::units
