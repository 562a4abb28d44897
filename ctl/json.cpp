#include "ctl/json.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ctl/text.hpp"

namespace reeve::ctl {

namespace {

void write_string(std::string& out, std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    out += '"';
    while (!text.empty()) {
        const Glyph glyph = next_glyph(text);
        const std::string_view bytes = text.substr(0, glyph.bytes);
        text.remove_prefix(glyph.bytes);
        if (!glyph.valid) {
            out += "\xEF\xBF\xBD";
        } else if (glyph.code == '"' || glyph.code == '\\') {
            out += '\\';
            out += bytes;
        } else if (glyph.code == '\n') {
            out += "\\n";
        } else if (glyph.code < 0x20 || glyph.code == 0x7F) {
            out += "\\u00";
            out += hex[glyph.code >> 4];
            out += hex[glyph.code & 15];
        } else {
            out += bytes;
        }
    }
    out += '"';
}

template <class Number>
void write_number(std::string& out, Number number) {
    char digits[40];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number);
    out.append(digits, end.ptr);
}

// The shortest text that reads back as the same number. Not std::to_chars, whose tables make the
// program 128 kB larger.
void write_number(std::string& out, double number) {
    if (!std::isfinite(number)) {
        out += "null";
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; ++precision) {
        std::snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (std::strtod(digits, nullptr) == number) break;
    }
    out += digits;
}

void write(std::string& out, const Value& value);

struct Writer {
    std::string& out;
    void operator()(std::monostate) const { out += "null"; }
    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(std::int64_t value) const { write_number(out, value); }
    void operator()(std::uint64_t value) const { write_number(out, value); }
    void operator()(double value) const { write_number(out, value); }
    void operator()(const std::string& value) const { write_string(out, value); }
    void operator()(const Value::List& items) const {
        out += '[';
        const char* separator = "";
        for (const Value& item : items) {
            out += std::exchange(separator, ",");
            write(out, item);
        }
        out += ']';
    }
    void operator()(const Value::Object& fields) const {
        out += '{';
        const char* separator = "";
        for (const Field& field : fields) {
            out += std::exchange(separator, ",");
            write_string(out, field.key);
            out += ':';
            write(out, field.value);
        }
        out += '}';
    }
};

void write(std::string& out, const Value& value) {
    std::visit(Writer{out}, value.data());
}

// Reads from the front of `rest_`; every function returns nullopt where the text is not JSON.
class Parser {
public:
    explicit Parser(std::string_view text) : rest_{text} {}

    std::optional<Value> document() {
        auto value = any(64);
        skip_space();
        if (!rest_.empty()) return std::nullopt;
        return value;
    }

private:
    void skip_space() {
        const auto begin = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(begin == std::string_view::npos ? rest_.size() : begin);
    }
    bool take(std::string_view token) {
        skip_space();
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }

    std::optional<Value> any(int depth) {
        if (depth == 0) return std::nullopt;
        skip_space();
        if (rest_.starts_with('"')) {
            auto text = string();
            return text ? std::optional{Value{std::move(*text)}} : std::nullopt;
        }
        if (take("[")) return list(depth);
        if (take("{")) return object(depth);
        if (take("null")) return Value{};
        if (take("true")) return Value{true};
        if (take("false")) return Value{false};
        return number();
    }

    std::optional<Value> list(int depth) {
        Value value = Value::list();
        if (take("]")) return value;
        do {
            auto item = any(depth - 1);
            if (!item) return std::nullopt;
            value.add(std::move(*item));
        } while (take(","));
        return take("]") ? std::optional{std::move(value)} : std::nullopt;
    }

    std::optional<Value> object(int depth) {
        Value value = Value::object();
        if (take("}")) return value;
        do {
            skip_space();
            auto key = string();
            if (!key || !take(":")) return std::nullopt;
            auto item = any(depth - 1);
            if (!item) return std::nullopt;
            value.set(*key, std::move(*item));
        } while (take(","));
        return take("}") ? std::optional{std::move(value)} : std::nullopt;
    }

    std::optional<Value> number() {
        const std::string_view token = rest_.substr(0, rest_.find_first_not_of("+-.eE0123456789"));
        if (token.empty()) return std::nullopt;
        rest_.remove_prefix(token.size());
        const char* const end = token.data() + token.size();
        const auto whole = [&](auto number) -> std::optional<Value> {
            const auto [stop, error] = std::from_chars(token.data(), end, number);
            if (error != std::errc{} || stop != end) return std::nullopt;
            return Value{number};
        };
        if (auto value = whole(std::uint64_t{})) return value;
        if (auto value = whole(std::int64_t{})) return value;
        return whole(double{});
    }

    std::optional<std::string> string() {
        if (!rest_.starts_with('"')) return std::nullopt;
        rest_.remove_prefix(1);
        std::string out;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return out;
            if (c != '\\') {
                out += c;
            } else if (!escape(out)) {
                return std::nullopt;
            }
        }
        return std::nullopt;
    }

    bool escape(std::string& out) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        if (rest_.empty()) return false;
        const char letter = rest_.front();
        rest_.remove_prefix(1);
        if (const auto at = letters.find(letter); at != std::string_view::npos) {
            out += meanings[at];
            return true;
        }
        if (letter != 'u') return false;
        auto code = hex4();
        if (!code) return false;
        if (*code >= 0xD800 && *code < 0xDC00 && take_raw("\\u")) {
            const auto low = hex4();
            if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
            *code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
        }
        append_utf8(out, *code);
        return true;
    }
    bool take_raw(std::string_view token) {
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }
    std::optional<char32_t> hex4() {
        std::uint32_t code = 0;
        if (rest_.size() < 4) return std::nullopt;
        const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
        if (error != std::errc{} || stop != rest_.data() + 4) return std::nullopt;
        rest_.remove_prefix(4);
        return char32_t{code};
    }

    std::string_view rest_;
};

}  // namespace

std::string to_json(const Value& value) {
    std::string out;
    write(out, value);
    return out;
}

std::optional<Value> parse_json(std::string_view text) {
    return Parser{text}.document();
}

}  // namespace reeve::ctl
