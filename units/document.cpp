#include "units/document.hpp"

#include <algorithm>
#include <utility>

#include "hal/posix/escaped.hpp"

namespace reeve::units {

const Entry* Node::find(std::string_view key) const {
    const auto found = std::ranges::lower_bound(entries, key, {}, &Entry::key);
    return found != entries.end() && found->key == key ? &*found : nullptr;
}

Entry* Node::find(std::string_view key) {
    const auto found = std::ranges::lower_bound(entries, key, {}, &Entry::key);
    return found != entries.end() && found->key == key ? &*found : nullptr;
}

Entry& Node::at(std::string_view key) {
    if (Entry* const found = find(key)) return *found;
    Entry made;
    made.key = key;
    return insert(std::move(made));
}

Entry& Node::insert(Entry entry) {
    const auto place = std::ranges::lower_bound(entries, entry.key, {}, &Entry::key);
    return *entries.insert(place, std::move(entry));
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 60;
    std::string out = "\"";
    std::size_t shown = 0;
    for (const char c : text) {
        const bool begins = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // a character
        if (begins && shown++ == longest) return posix::escaped(out) + "…\"";
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return posix::escaped(out) + '"';
}

std::string describe(const Node& node) {
    switch (node.type) {
        case Node::Type::string: return in_quotes(node.text);
        case Node::Type::integer: return std::to_string(node.integer);
        case Node::Type::real: {
            std::string text = std::to_string(node.real);
            while (text.ends_with('0') && !text.ends_with(".0")) text.pop_back();
            return text;
        }
        case Node::Type::boolean: return node.integer != 0 ? "true" : "false";
        case Node::Type::date_time: return node.text;
        case Node::Type::array: return "a list";
        case Node::Type::table: return "a table";
    }
    return {};
}

}  // namespace reeve::units
