#include "units/reader.hpp"

#include <algorithm>

#include "hal/posix/escaped.hpp"
#include "units/names.hpp"
#include "units/specifiers.hpp"
#include "units/values.hpp"

namespace reeve::units {

Reader::Reader(std::string_view name, const LoadOptions& options,
               const std::vector<std::string>& files, std::vector<Problem>& problems)
    : name_{name}, options_{options}, files_{files}, problems_{problems} {}

Reader::Scope::Scope(Reader& reader, std::string_view key)
    : reader_{reader}, length_{reader.key_.size()} {
    if (length_ != 0) reader_.key_ += '.';
    reader_.key_ += posix::escaped(key);
}

void Reader::complain(const Node& where, std::string text, Severity severity) {
    problems_.push_back(
        {severity, files_[where.file], where.line, where.column, key_, std::move(text)});
}

void Reader::complain(const Entry& where, std::string text) {
    problems_.push_back(
        {Severity::error, files_[where.file], where.line, where.column, key_, std::move(text)});
}

void Reader::expected(const Node& found, std::string_view what) {
    complain(found, ("found " + describe(found)).append(", expected ").append(what));
}

void Reader::not_in_this_version(const Node& found) {
    complain(found, "found " + describe(found) + ", not in this version");
}

std::optional<std::string> Reader::string(const Node& node, std::string_view what) {
    if (node.type != Node::Type::string) {
        expected(node, what);
        return std::nullopt;
    }
    if (node.text.find('\0') != std::string::npos) {
        complain(node, "found " + describe(node) + ", which holds a NUL character");
        return std::nullopt;
    }
    auto [text, unknown] = expand_specifiers(node.text, name_, options_.host);
    if (unknown == '\0') return std::move(text);
    const std::string_view specifier{&unknown, 1};
    complain(node, "found " + describe(node) + ", but there is no specifier " +
                       in_quotes("%" + std::string{specifier}) + "; a percent sign is \"%%\"");
    return std::nullopt;
}

std::optional<bool> Reader::flag(const Node& node) {
    if (node.type == Node::Type::boolean) return node.integer != 0;
    expected(node, "true or false");
    return std::nullopt;
}

std::optional<std::int64_t> Reader::integer(const Node& node, std::int64_t least,
                                            std::int64_t most) {
    if (node.type == Node::Type::integer && node.integer >= least && node.integer <= most)
        return node.integer;
    expected(node, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
}

std::optional<double> Reader::number(const Node& node, double least, double most) {
    const bool is_integer = node.type == Node::Type::integer;
    const double value = is_integer ? static_cast<double>(node.integer) : node.real;
    if ((is_integer || node.type == Node::Type::real) && value >= least && value <= most)
        return value;
    const auto whole = [](double bound) { return std::to_string(static_cast<long>(bound)); };
    expected(node, "a number from " + whole(least) + " to " + whole(most));
    return std::nullopt;
}

std::optional<Duration> Reader::duration(const Node& node, Bound bound) {
    constexpr std::string_view what = "a duration such as \"5s\" or \"1min 30s\"";
    const auto text = string(node, what);
    if (!text) return std::nullopt;
    const auto value = parse_duration(*text);
    if (!value) {
        expected(node, what);
        return std::nullopt;
    }
    const bool positive = bound == Bound::positive || bound == Bound::positive_finite;
    const bool finite = bound == Bound::finite || bound == Bound::positive_finite;
    if (positive && *value == Duration::zero()) {
        expected(node, finite ? "more than nothing" : "more than nothing, or \"infinity\"");
        return std::nullopt;
    }
    if (finite && *value == infinity) {
        expected(node, "a duration that ends");
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> Reader::size(const Node& node) {
    constexpr std::string_view what = "a size such as \"64KiB\"";
    const auto text = string(node, what);
    if (!text) return std::nullopt;
    const auto value = parse_size(*text);
    if (!value) expected(node, what);
    return value;
}

std::optional<int> Reader::signal(const Node& node) {
    constexpr std::string_view what = "a signal such as \"TERM\"";
    const auto text = string(node, what);
    if (!text) return std::nullopt;
    const auto value = parse_signal(*text);
    if (!value) expected(node, what);
    return value;
}

std::optional<std::string> Reader::unit_name(const Node& node) {
    auto text = string(node, "the name of a unit");
    if (!text) return std::nullopt;
    if (text->ends_with(".toml")) {
        expected(node, "the name of a unit, which is its file's without \".toml\"");
        return std::nullopt;
    }
    if (is_unit_name(*text)) return text;
    expected(node, "the name of a unit: letters, digits, : _ . - \\ and one @");
    return std::nullopt;
}

std::optional<std::string> Reader::event_name(const Node& node) {
    auto text = string(node, "the name of an event");
    if (!text || is_event_name(*text)) return text;
    expected(node, "the name of an event: letters, digits and : _ . - \\ @ /");
    return std::nullopt;
}

std::optional<std::string> Reader::absolute_path(const Node& node) {
    auto text = string(node, "an absolute path");
    if (!text || text->starts_with('/')) return text;
    expected(node, "an absolute path");
    return std::nullopt;
}

std::optional<std::size_t> Reader::choice(const Node& node,
                                          const std::vector<std::string_view>& words,
                                          const std::vector<std::string_view>& later) {
    std::string what = "one of";
    for (const std::string_view word : words) what.append(" ").append(word);
    const auto text = string(node, what);
    if (!text) return std::nullopt;
    const auto found = std::ranges::find(words, *text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    if (std::ranges::find(later, *text) != later.end()) {
        not_in_this_version(node);
        return std::nullopt;
    }
    const std::string_view near = nearest(*text, words);
    if (!near.empty()) what.append("; did you mean ").append(in_quotes(near)).append("?");
    expected(node, what);
    return std::nullopt;
}

const std::vector<Node>& Reader::list(const Node& node, std::string_view what) {
    static const std::vector<Node> none;
    if (node.type == Node::Type::array) return node.items;
    expected(node, what);
    return none;
}

}  // namespace reeve::units
