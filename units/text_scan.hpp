// The wall before toml++: what must hold of a text before toml++ may see it, and the text as it
// sees it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "units/document.hpp"

namespace reeve::units {

inline constexpr std::size_t max_text = 1 << 20;  // bytes; a unit file is some hundred
inline constexpr int max_dots = 16;               // in one dotted key

// toml++ 3.3.0 is undefined on some characters beyond ASCII wherever it does not take them for part
// of a string, which on malformed input is anybody's guess. So it sees none: in strings they become
// \uXXXX (a literal string that holds some becomes a basic one), in comments "?".
class ScannedText {
public:
    // The first of: too large, not UTF-8, a control character, a string that does not end on its
    // line, a character beyond ASCII outside strings and comments, a key of too many dots (toml++
    // and we walk the tables by recursion). nullopt: none of these.
    [[nodiscard]] const std::optional<SyntaxError>& error() const { return error_; }

    // The text in ASCII, the same lines; valid as long as this and the scanned text.
    [[nodiscard]] std::string_view ascii() const { return changed_ ? ascii_ : text_; }
    // The column in the scanned text of one in `ascii`.
    [[nodiscard]] unsigned source_column(unsigned line, unsigned column) const;

private:
    friend class Scanner;
    // `length` characters from `column` on stand for one.
    struct Growth {
        unsigned line = 0;
        unsigned column = 0;
        unsigned length = 0;
    };
    std::string_view text_;
    std::string ascii_;
    bool changed_ = false;
    std::vector<Growth> growths_;  // in order
    std::optional<SyntaxError> error_;
};

// `text` must outlive the result.
ScannedText scan(std::string_view text);

}  // namespace reeve::units
