#include "ctl/log_line.hpp"

#include <charconv>

namespace reeve::ctl {

LogLine parse_log_line(std::string_view line) {
    const LogLine only_text{{}, {}, 0, line};
    const auto space = line.find(' ');
    const auto open = line.find('[', space == std::string_view::npos ? line.size() : space);
    if (space == std::string_view::npos || open == std::string_view::npos) return only_text;
    const auto close = line.find(']', open);
    if (close == std::string_view::npos) return only_text;
    LogLine parsed{line.substr(0, space), line.substr(space + 1, open - space - 1), 0, {}};
    const char* const end = line.data() + close;
    const auto [stop, error] = std::from_chars(line.data() + open + 1, end, parsed.run);
    const bool looks_right = !parsed.time.empty() && parsed.time.front() >= '0' &&
                             parsed.time.front() <= '9' &&
                             parsed.unit.find(' ') == std::string_view::npos;
    if (error != std::errc{} || stop != end || !looks_right) return only_text;
    const auto text = line.substr(close + 1);
    parsed.text = text.starts_with(' ') ? text.substr(1) : text;
    return parsed;
}

Value log_line(std::string_view line) {
    const LogLine parsed = parse_log_line(line);
    const auto or_null = [](std::string_view text) { return text.empty() ? Value{} : Value{text}; };
    return Value{}
        .set("time", or_null(parsed.time))
        .set("unit", or_null(parsed.unit))
        .set("run", parsed.unit.empty() ? Value{} : Value{parsed.run})
        .set("text", parsed.text);
}

std::string shell_quoted(std::string_view word) {
    std::string out = "'";
    for (const char c : word) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    return out + "'";
}

}  // namespace reeve::ctl
