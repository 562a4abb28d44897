#include "units/defaults.hpp"

#include "units/read_unit.hpp"

namespace reeve::units {

namespace {

// Problems are told of the unit's files only: what comes from elsewhere stands where [service]
// does.
void move_to(const Entry& place, Node& node) {
    node.file = place.file;
    node.line = place.line;
    node.column = place.column;
    for (Node& item : node.items) move_to(place, item);
    for (Entry& entry : node.entries) {
        entry.file = place.file;
        entry.line = place.line;
        entry.column = place.column;
        move_to(place, entry.value);
    }
}

void fill(Node& into, const Node& from) {
    for (const Entry& entry : from.entries) {
        Entry* const own = into.find(entry.key);
        if (own == nullptr) {
            into.insert(entry);
        } else if (own->value.type == Node::Type::table && entry.value.type == Node::Type::table) {
            fill(own->value, entry.value);
        }
    }
}

}  // namespace

std::vector<Problem> check_defaults(const Node& defaults, const std::string& file) {
    Node root = defaults;
    Node& command = root.at("service").value.at("command").value;
    command.type = Node::Type::array;
    command.items.emplace_back();
    command.items.back().type = Node::Type::string;
    command.items.back().text = "/bin/true";
    return read_unit("defaults", root, {file}, {}).problems;
}

void lay_under(Node& root, const Node& defaults) {
    const Entry* const service = root.find("service");
    if (service == nullptr || service->value.type != Node::Type::table) return;
    if (defaults.entries.empty()) return;
    Node moved = defaults;
    move_to(Entry{*service}, moved);
    fill(root, moved);
}

}  // namespace reeve::units
