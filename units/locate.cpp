#include "units/locate.hpp"

#include <algorithm>

#include "units/document.hpp"
#include "units/files.hpp"

namespace reeve::units {

namespace {

// "!event:x", "x", { unit = "x" }, { any = [...] }: the node that says `value`; nullptr: none.
const Node* find_item(const Node& node, const std::string& value) {
    if (node.type == Node::Type::string) return node.text == value ? &node : nullptr;
    for (const Node& item : node.items)
        if (const Node* found = find_item(item, value)) return found;
    for (const Entry& entry : node.entries)
        if (const Node* found = find_item(entry.value, value)) return found;
    return nullptr;
}

struct Place {
    const Entry* entry = nullptr;
    const Node* item = nullptr;  // the value itself; nullptr: not as it stands (a specifier, say)
};

Place find_place(const Node& root, const Finding& finding) {
    Place place;
    const Entry* table = root.find(finding.table);
    if (table == nullptr) return place;
    const auto dot = finding.key.find('.');
    place.entry = table->value.find(finding.key.substr(0, dot));
    if (place.entry != nullptr && dot != std::string::npos) {
        const Entry* inner = place.entry->value.find(finding.key.substr(dot + 1));
        if (inner != nullptr) place.entry = inner;
    }
    if (place.entry != nullptr && !finding.value.empty())
        place.item = find_item(place.entry->value, finding.value);
    return place;
}

}  // namespace

void locate(const UnitFile& unit, const Finding& finding, Problem& problem) {
    for (const std::string& path : unit.files) {
        const FileText file = read_text(path);
        if (file.kind != FileText::Kind::text) continue;
        const ParsedDocument document = parse_document(file.text);
        const Place place = find_place(document.root, finding);
        if (place.item == nullptr && (place.entry == nullptr || problem.line != 0)) continue;
        problem.file = path;
        problem.line = place.item != nullptr ? place.item->line : place.entry->line;
        problem.column = place.item != nullptr ? place.item->column : place.entry->column;
        if (place.item != nullptr) return;
    }
}

}  // namespace reeve::units
