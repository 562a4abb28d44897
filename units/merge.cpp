#include <algorithm>

#include "units/read_unit.hpp"
#include "units/schema.hpp"

namespace reeve::units {

namespace {

Entry* find_table(Node& root, std::string_view key) {
    Entry* entry = root.find(key);
    return entry != nullptr && entry->value.type == Node::Type::table ? entry : nullptr;
}

void erase(Node& table, std::string_view key) {
    std::erase_if(table.entries, [&](const Entry& entry) { return entry.key == key; });
}

// Drops "unit.after" or "service.limits.nofile" of what the document holds so far.
void drop(Node& root, const Node& path, const std::vector<std::string>& files,
          std::vector<Problem>& problems) {
    const auto complain = [&](std::string text) {
        problems.push_back({Severity::error, files[path.file], path.line, path.column, "replace",
                            std::move(text)});
    };
    const auto dot = path.text.find('.');
    if (path.type != Node::Type::string || dot == std::string::npos) {
        complain("found " + describe(path) + ", expected a key such as \"unit.after\"");
        return;
    }
    const std::string_view table = std::string_view{path.text}.substr(0, dot);
    const std::string_view key = std::string_view{path.text}.substr(dot + 1);
    if (find_row(table, key) == nullptr && !is_group(table, key)) {
        complain(
            "found " + describe(path) + ": " +
            (is_table(table) ? explain_unknown_key(table, key) : explain_unknown_table(table)));
        return;
    }
    Entry* entry = find_table(root, table);
    if (entry == nullptr) return;
    const auto inner = key.find('.');
    if (inner == std::string_view::npos) {
        erase(entry->value, key);
    } else if (Entry* group = find_table(entry->value, key.substr(0, inner))) {
        erase(group->value, key.substr(inner + 1));
        if (group->value.entries.empty()) erase(entry->value, key.substr(0, inner));
    }
}

// Tables whose keys are settings of their own.
bool is_open(std::string_view table, std::string_view key) {
    return table == "service" && (key == "environment" || key == "limits");
}

// Where one name may stand for a list of one, makes it that list.
void make_list(const Row& row, Node& node) {
    if (node.type != Node::Type::string || row.type.starts_with("list")) return;
    Node list;
    list.type = Node::Type::array;
    list.file = node.file;
    list.line = node.line;
    list.column = node.column;
    list.items.push_back(std::move(node));
    node = std::move(list);
}

void merge_key(std::string_view table, Node& into, Entry entry) {
    Entry* old = into.find(entry.key);
    if (old == nullptr) {
        into.insert(std::move(entry));
        return;
    }
    const Row* row = find_row(table, entry.key);
    Node& from = entry.value;
    if (row != nullptr && row->adds) {
        make_list(*row, old->value);
        make_list(*row, from);
    }
    if (is_open(table, entry.key) && old->value.type == Node::Type::table &&
        from.type == Node::Type::table) {
        for (Entry& inner : from.entries) {
            erase(old->value, inner.key);
            old->value.insert(std::move(inner));
        }
    } else if (row != nullptr && row->adds && from.type == old->value.type &&
               from.type == Node::Type::array) {
        for (Node& item : from.items) old->value.items.push_back(std::move(item));
    } else {
        *old = std::move(entry);
    }
}

}  // namespace

void merge(Node& root, Node drop_in, const std::vector<std::string>& files,
           std::vector<Problem>& problems) {
    if (const Entry* replace = drop_in.find("replace")) {
        if (replace->value.type == Node::Type::array)
            for (const Node& path : replace->value.items) drop(root, path, files, problems);
        else
            problems.push_back({Severity::error, files[replace->file], replace->value.line,
                                replace->value.column, "replace",
                                "found " + describe(replace->value) +
                                    ", expected a list of keys such as [\"unit.after\"]"});
        erase(drop_in, "replace");
    }
    for (Entry& table : drop_in.entries) {
        Entry* old = find_table(root, table.key);
        if (old == nullptr || table.value.type != Node::Type::table) {
            erase(root, table.key);
            root.insert(std::move(table));
            continue;
        }
        for (Entry& entry : table.value.entries) merge_key(table.key, old->value, std::move(entry));
    }
}

}  // namespace reeve::units
