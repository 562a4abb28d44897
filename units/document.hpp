// A TOML document as plain values that remember where they stand. Nothing else of the tree sees
// toml++, which is slow to compile and needs care (toml.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::units {

struct Entry;

struct Node {
    enum class Type : std::uint8_t { string, integer, real, boolean, date_time, array, table };
    Type type = Type::table;
    std::uint16_t file = 0;  // index into the files of the unit: 0 the file itself, then drop-ins
    std::uint32_t line = 0;  // 1-based
    std::uint32_t column = 0;
    std::int64_t integer = 0;  // of integer and boolean
    double real = 0;
    std::string text;            // of string and date_time
    std::vector<Node> items;     // of array
    std::vector<Entry> entries;  // of table, sorted by key

    // The entry of a table; nullptr: none.
    [[nodiscard]] const Entry* find(std::string_view key) const;
    Entry* find(std::string_view key);
    // The same; made when it is not there, as an empty table that stands nowhere.
    Entry& at(std::string_view key);
    // Adds an entry to a table that has none of its key.
    Entry& insert(Entry entry);
};

struct Entry {
    std::string key;
    std::uint16_t file = 0;
    std::uint32_t line = 0;  // of the key
    std::uint32_t column = 0;
    Node value;
};

// The first thing in a text that is not TOML.
struct SyntaxError {
    unsigned line = 0;
    unsigned column = 0;
    std::string text;
};

struct ParsedDocument {
    Node root;
    std::optional<SyntaxError> error;  // set: root is empty
};

// Parses `text`, marking every node with `file`. Whatever the bytes: returns, throws std::bad_alloc
// only. Keys are ASCII; strings and comments are UTF-8.
ParsedDocument parse_document(std::string_view text, std::uint16_t file = 0);

// "5", "true", "\"5 parsecs\"", "a list": what was found, for a problem. Safe to print.
std::string describe(const Node& node);
// In double quotes, control characters escaped, cut after 60 characters.
std::string in_quotes(std::string_view text);

}  // namespace reeve::units
