#include <algorithm>
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "hal/posix/escaped.hpp"
#include "units/document.hpp"
#include "units/text_scan.hpp"

// toml++ 3.3.0 (Debian 12) breaks its own preconditions on some malformed input, "[&" for one
// (marzer/tomlplusplus#294): an abort with assertions, undefined behaviour without. In this file,
// the only one that includes toml++, a broken precondition throws, in every build type. What it
// does with characters beyond ASCII it never gets to do: text_scan.hpp.
namespace {
struct BrokenPrecondition : std::runtime_error {
    BrokenPrecondition() : std::runtime_error{"malformed TOML"} {}
};
constexpr void require_toml(bool holds) {
    if (!holds) throw BrokenPrecondition{};
}
}  // namespace
#undef NDEBUG  // with it toml++ would undo the next line
#define TOML_ASSERT(expr) require_toml(static_cast<bool>(expr))
#define TOML_MAX_NESTED_VALUES 32  // it recurses, and so do we
#define TOML_ENABLE_FORMATTERS 0
#define TOML_FLOAT_CHARCONV 1  // else it drags std::locale into the program
#include <toml++/toml.h>

namespace reeve::units {

namespace {

// What a file may not hold though TOML can.
struct Refused {
    SyntaxError error;
};

Node convert(const toml::node& from, std::uint16_t file);

void convert_table(const toml::table& from, Node& to) {
    to.type = Node::Type::table;
    to.entries.reserve(from.size());
    for (const auto& [key, value] : from) {
        const auto& place = key.source().begin;
        const std::string_view name = key.str();
        if (std::ranges::any_of(name, [](char c) { return static_cast<signed char>(c) < 0; }))
            throw Refused{{place.line, place.column, "keys are ASCII; found " + in_quotes(name)}};
        to.entries.push_back(
            {std::string{name}, to.file, place.line, place.column, convert(value, to.file)});
    }
}

std::string digits(unsigned value, std::size_t count) {
    std::string text = std::to_string(value);
    return text.insert(0, count - std::min(count, text.size()), '0');
}

std::string text_of(const toml::date& date) {
    return digits(date.year, 4) + '-' + digits(date.month, 2) + '-' + digits(date.day, 2);
}

std::string text_of(const toml::time& time) {
    std::string text =
        digits(time.hour, 2) + ':' + digits(time.minute, 2) + ':' + digits(time.second, 2);
    if (time.nanosecond != 0) {
        text += '.' + digits(time.nanosecond, 9);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text;
}

std::string text_of(const toml::date_time& both) {
    std::string text = text_of(both.date) + 'T' + text_of(both.time);
    if (!both.offset) return text;
    const int minutes = both.offset->minutes;
    if (minutes == 0) return text + 'Z';
    const auto size = static_cast<unsigned>(std::abs(minutes));
    return text + (minutes < 0 ? '-' : '+') + digits(size / 60, 2) + ':' + digits(size % 60, 2);
}

template <class T>
void convert_date_time(const toml::value<T>& from, Node& to) {
    to.type = Node::Type::date_time;
    to.text = text_of(from.get());
}

Node convert(const toml::node& from, std::uint16_t file) {
    Node to;
    to.file = file;
    to.line = from.source().begin.line;
    to.column = from.source().begin.column;
    switch (from.type()) {
        case toml::node_type::string:
            to.type = Node::Type::string;
            to.text = from.as_string()->get();
            break;
        case toml::node_type::integer:
            to.type = Node::Type::integer;
            to.integer = from.as_integer()->get();
            break;
        case toml::node_type::floating_point:
            to.type = Node::Type::real;
            to.real = from.as_floating_point()->get();
            break;
        case toml::node_type::boolean:
            to.type = Node::Type::boolean;
            to.integer = from.as_boolean()->get() ? 1 : 0;
            break;
        case toml::node_type::date: convert_date_time(*from.as_date(), to); break;
        case toml::node_type::time: convert_date_time(*from.as_time(), to); break;
        case toml::node_type::date_time: convert_date_time(*from.as_date_time(), to); break;
        case toml::node_type::array:
            to.type = Node::Type::array;
            to.items.reserve(from.as_array()->size());
            for (const auto& item : *from.as_array()) to.items.push_back(convert(item, file));
            break;
        case toml::node_type::table: convert_table(*from.as_table(), to); break;
        case toml::node_type::none: break;
    }
    return to;
}

// True when the text makes toml++ break a precondition.
bool breaks(std::string_view text) {
    try {
        static_cast<void>(toml::parse(text));
    } catch (const BrokenPrecondition&) {
        return true;
    } catch (const toml::parse_error&) {  // a cut text is no TOML, but that is not the question
    }
    return false;
}

// The line at which toml++ breaks down: the shortest run of whole lines that makes it do so.
// Parsing goes from front to back, so what breaks a beginning breaks all that begins with it.
unsigned line_of_break(std::string_view text) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\n') ends.push_back(i + 1);
    if (ends.empty() || ends.back() != text.size()) ends.push_back(text.size());
    const auto found = std::ranges::partition_point(
        ends, [&](std::size_t end) { return !breaks(text.substr(0, end)); });
    const auto index = static_cast<std::size_t>(found - ends.begin());
    return static_cast<unsigned>(std::min(index, ends.size() - 1) + 1);
}

// As deep as TOML may nest.
void restore_columns(Node& node, const ScannedText& scanned) {
    node.column = scanned.source_column(node.line, node.column);
    for (Node& item : node.items) restore_columns(item, scanned);
    for (Entry& entry : node.entries) {
        entry.column = scanned.source_column(entry.line, entry.column);
        restore_columns(entry.value, scanned);
    }
}

std::string sentence(std::string_view description) {
    std::string text = "syntax: ";
    constexpr std::string_view opening = "Error while ";
    if (description.starts_with(opening)) description.remove_prefix(opening.size());
    constexpr std::string_view inner = " (TOML_MAX_NESTED_VALUES)";  // no name of ours
    if (description.ends_with(inner)) description.remove_suffix(inner.size());
    return text.append(posix::escaped(description));
}

}  // namespace

ParsedDocument parse_document(std::string_view text, std::uint16_t file) {
    ParsedDocument result;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
    const ScannedText scanned = scan(text);
    result.error = scanned.error();
    if (result.error) return result;
    try {
        const toml::table table = toml::parse(scanned.ascii());
        result.root.file = file;
        convert_table(table, result.root);
    } catch (const Refused& refused) {
        result.error = refused.error;
    } catch (const toml::parse_error& error) {
        const auto& place = error.source().begin;
        result.error = {place.line, place.column, sentence(error.description())};
    } catch (const BrokenPrecondition& error) {
        result.error = {line_of_break(scanned.ascii()), 1, sentence(error.what())};
    }
    if (result.error) {
        result.root = Node{};
        result.error->column = scanned.source_column(result.error->line, result.error->column);
    } else if (scanned.ascii().data() != text.data()) {
        restore_columns(result.root, scanned);
    }
    return result;
}

}  // namespace reeve::units
