#include <algorithm>
#include <array>

#include "units/names.hpp"
#include "units/schema.hpp"

namespace reeve::units {

namespace {

struct KindName {
    std::string_view name;
    Predicate::Kind kind;
};
constexpr std::array kinds{
    KindName{"event", Predicate::Kind::event}, KindName{"unit", Predicate::Kind::unit},
    KindName{"path", Predicate::Kind::path}, KindName{"device", Predicate::Kind::device}};
constexpr std::array<std::string_view, 13> later_kinds{"directory",      "directory-not-empty",
                                                       "file-not-empty", "glob",
                                                       "mount",          "net",
                                                       "time",           "kernel-command-line",
                                                       "virtualization", "architecture",
                                                       "user",           "file-is-executable",
                                                       "capability"};
constexpr std::string_view what =
    "a predicate such as \"path:/data\", \"!event:off\" or { any = [...] }";

bool fits(Predicate::Kind kind, std::string_view argument) {
    switch (kind) {
        case Predicate::Kind::event: return is_event_name(argument);
        case Predicate::Kind::unit:
        case Predicate::Kind::device: return is_unit_name(argument) && !is_template(argument);
        case Predicate::Kind::path: return argument.starts_with('/');
        case Predicate::Kind::any:
        case Predicate::Kind::all: break;
    }
    return false;
}

void explain_kind(Reader& reader, const Node& node, std::string_view kind) {
    if (std::ranges::find(later_kinds, kind) != later_kinds.end()) {
        reader.not_in_this_version(node);
        return;
    }
    std::vector<std::string_view> known;
    for (const auto& entry : kinds) known.push_back(entry.name);
    std::string text = "one of the kinds event, unit, path, device before the colon";
    const std::string_view near = nearest(kind, known);
    if (!near.empty()) text.append("; did you mean ").append(in_quotes(near)).append("?");
    reader.expected(node, text);
}

std::optional<Predicate> read_leaf(Reader& reader, const Node& node) {
    const auto text = reader.string(node, what);
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    Predicate predicate;
    if (rest.starts_with('!')) {
        predicate.negated = true;
        rest.remove_prefix(1);
    }
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) {
        reader.expected(node, what);
        return std::nullopt;
    }
    const std::string_view kind = rest.substr(0, colon);
    const auto* const known = std::ranges::find(kinds, kind, &KindName::name);
    if (known == kinds.end()) {
        explain_kind(reader, node, kind);
        return std::nullopt;
    }
    predicate.kind = known->kind;
    predicate.argument = rest.substr(colon + 1);
    if (fits(predicate.kind, predicate.argument)) return predicate;
    reader.expected(node, predicate.kind == Predicate::Kind::path
                              ? "an absolute path after the colon"
                              : "a name after the colon");
    return std::nullopt;
}

std::optional<Predicate> read_one(Reader& reader, const Node& node) {
    if (node.type != Node::Type::table) return read_leaf(reader, node);
    if (node.entries.size() != 1 ||
        (node.entries.front().key != "any" && node.entries.front().key != "all")) {
        reader.expected(node, "{ any = [...] } or { all = [...] }");
        return std::nullopt;
    }
    const Entry& entry = node.entries.front();
    Predicate group;
    group.kind = entry.key == "any" ? Predicate::Kind::any : Predicate::Kind::all;
    group.parts = read_predicates(reader, entry.value);  // as deep as TOML may nest: 32
    if (entry.value.type == Node::Type::array && entry.value.items.empty())
        reader.complain(entry.value, "found an empty list, expected predicates");
    return group;
}

}  // namespace

std::vector<Predicate> read_predicates(Reader& reader, const Node& node) {
    std::vector<Predicate> out;
    for (const Node& item : reader.list(node, "a list of predicates such as [\"path:/data\"]"))
        if (auto predicate = read_one(reader, item)) out.push_back(std::move(*predicate));
    out.shrink_to_fit();
    return out;
}

}  // namespace reeve::units
