#include <algorithm>

#include "units/program_path.hpp"
#include "units/schema.hpp"

namespace reeve::units {

namespace {

constexpr std::string_view what =
    "a list of words such as [\"/usr/bin/imu-poller\", \"--rate\", \"200\"]";

// Makes the first word a path. False after a complaint.
bool resolve_program(Reader& reader, const Node& node, std::string& word) {
    if (word.starts_with('/')) return true;
    if (word.empty() || word.find('/') != std::string::npos) {
        reader.expected(node, "an absolute path or a name to be found in PATH");
        return false;
    }
    auto found = find_program(word, reader.options().host.path);
    if (!found) {
        reader.complain(node, "found " + describe(node) + ", which is not in PATH (" +
                                  reader.options().host.path + ")");
        return false;
    }
    word = std::move(*found);
    return true;
}

void add_command(Reader& reader, const Node& words, Command command, UnitFile& unit) {
    const auto& items = reader.list(words, what);
    if (words.type != Node::Type::array) return;
    if (items.empty()) {
        reader.complain(words, "found an empty list, expected a program and its arguments");
        return;
    }
    command.argv.reserve(items.size());
    for (const Node& item : items) {
        auto word = reader.string(item, "a word in quotes");
        if (!word) return;
        command.argv.push_back(std::move(*word));
    }
    if (!command.argv.front().starts_with('/')) unit.searched = true;
    if (resolve_program(reader, items.front(), command.argv.front()))
        unit.service->commands.push_back(std::move(command));
}

void read_flag_into(Reader& reader, const Entry& entry, bool& flag) {
    if (const auto value = reader.flag(entry.value)) flag = *value;
}

void add_command_table(Reader& reader, const Node& table, Command command, UnitFile& unit) {
    const Node* words = nullptr;
    bool literal = false;
    for (const Entry& entry : table.entries) {
        const Reader::Scope scope{reader, entry.key};
        if (entry.key == "command")
            words = &entry.value;
        else if (entry.key == "ignore-failure")
            read_flag_into(reader, entry, command.ignore_failure);
        else if (entry.key == "as-root")
            read_flag_into(reader, entry, command.as_root);
        else if (entry.key == "no-expand")
            read_flag_into(reader, entry, literal);
        else
            reader.complain(entry,
                            "unknown key; known are command, ignore-failure, as-root, no-expand");
    }
    command.expand = !literal;
    const Reader::Scope scope{reader, "command"};
    if (words == nullptr)
        reader.complain(table, "missing");
    else
        add_command(reader, *words, std::move(command), unit);
}

}  // namespace

void read_commands(Reader& reader, const Node& node, Phase phase, UnitFile& unit) {
    Command command;
    command.phase = phase;
    if (node.type == Node::Type::table) {
        add_command_table(reader, node, std::move(command), unit);
        return;
    }
    const auto is_command = [](const Node& item) {
        return item.type == Node::Type::array || item.type == Node::Type::table;
    };
    if (node.type != Node::Type::array || node.items.empty() ||
        std::ranges::none_of(node.items, is_command)) {
        add_command(reader, node, std::move(command), unit);
        return;
    }
    for (const Node& item : node.items) {
        if (item.type == Node::Type::table)
            add_command_table(reader, item, command, unit);
        else
            add_command(reader, item, command, unit);
    }
}

}  // namespace reeve::units
