#include "units/read_unit.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "units/schema.hpp"

namespace reeve::units {

namespace {

struct KindTable {
    std::string_view name;
    Kind kind;
};
constexpr std::array kind_tables{KindTable{"service", Kind::service},
                                 KindTable{"target", Kind::target},
                                 KindTable{"device", Kind::device}};

class UnitReader {
public:
    UnitReader(const Node& root, UnitFile& unit, Reader& reader)
        : root_{root}, unit_{unit}, reader_{reader} {}

    void run() {
        const bool known = find_kind();
        for (const Entry& entry : root_.entries) read_table(entry);
        if (known) finish_unit(reader_, root_, unit_);
    }

private:
    // The one table that says what the file holds.
    bool find_kind() {
        const Entry* first = nullptr;
        bool later = false;
        for (const Entry& entry : root_.entries) later = later || is_later_table(entry.key);
        for (const auto& [name, kind] : kind_tables) {
            const Entry* entry = root_.find(name);
            if (entry == nullptr) continue;
            if (first != nullptr) {
                const bool before =
                    std::tie(entry->file, entry->line) < std::tie(first->file, first->line);
                const Entry* second = before ? first : entry;
                if (before) first = entry;
                const Reader::Scope scope{reader_, second->key};
                const std::string place =
                    first->file == second->file ? "" : " of " + unit_.files[first->file];
                reader_.complain(*second, "a file holds one kind of thing, and this one has [" +
                                              first->key + "] at line " +
                                              std::to_string(first->line) + place + " already");
                continue;
            }
            first = entry;
            unit_.kind = kind;
        }
        if (unit_.kind == Kind::service && first != nullptr)
            unit_.service = std::make_unique<Service>();
        if (first == nullptr && !later)
            reader_.complain(whole_file(),
                             "no table [service], [target] or [device] says what this is");
        return first != nullptr;
    }

    static Node whole_file() { return {}; }

    void read_table(const Entry& entry) {
        const Reader::Scope scope{reader_, entry.key};
        if (entry.key == "replace") {
            reader_.complain(entry, "only in a drop-in");
        } else if (!is_table(entry.key)) {
            reader_.complain(entry, explain_unknown_table(entry.key));
        } else if (entry.value.type != Node::Type::table) {
            reader_.expected(entry.value, "a table [" + entry.key + "]");
        } else {
            for (const Entry& inner : entry.value.entries) read_key(entry.key, inner);
        }
    }

    void read_key(std::string_view table, const Entry& entry) {
        const Reader::Scope scope{reader_, entry.key};
        if (const Row* row = find_row(table, entry.key)) {
            if (table != "service" || unit_.service) row->read(reader_, entry.value, unit_);
        } else if (!is_group(table, entry.key)) {
            reader_.complain(entry, explain_unknown_key(table, entry.key));
        } else if (entry.value.type != Node::Type::table) {
            reader_.expected(entry.value, "a table");
        } else {
            read_group(table, entry);
        }
    }

    void read_group(std::string_view table, const Entry& group) {
        for (const Entry& entry : group.value.entries) {
            const Reader::Scope scope{reader_, entry.key};
            const std::string key = group.key + '.' + entry.key;
            const Row* row = find_row(table, key);
            if (row == nullptr)
                reader_.complain(entry, explain_unknown_key(table, key));
            else if (unit_.service)
                row->read(reader_, entry.value, unit_);
        }
    }

    const Node& root_;
    UnitFile& unit_;
    Reader& reader_;
};

void shrink(UnitFile& unit) {
    unit.name.shrink_to_fit();
    unit.links.shrink_to_fit();
    unit.aliases.shrink_to_fit();
    unit.sets.shrink_to_fit();
    unit.leases.shrink_to_fit();
    unit.control.shrink_to_fit();
    unit.files.shrink_to_fit();
    if (unit.service) unit.service->commands.shrink_to_fit();
}

}  // namespace

void sort_problems(std::vector<Problem>& problems, const std::vector<std::string>& files) {
    const auto place = [&](const Problem& problem) {
        return std::tuple{std::ranges::find(files, problem.file) - files.begin(), problem.line,
                          problem.column};
    };
    std::ranges::stable_sort(problems, {}, place);
}

ReadResult read_unit(std::string_view name, const Node& root, std::vector<std::string> files,
                     const LoadOptions& options) {
    ReadResult result;
    auto unit = std::make_shared<UnitFile>();
    unit->name = name;
    unit->files = std::move(files);
    Reader reader{name, options, unit->files, result.problems};
    UnitReader{root, *unit, reader}.run();
    sort_problems(result.problems, unit->files);
    if (has_errors(result.problems)) return result;
    shrink(*unit);
    result.unit = std::move(unit);
    return result;
}

ParseResult parse_unit(std::string_view name, std::string_view file, std::string_view text,
                       const LoadOptions& options) {
    const ParsedDocument document = parse_document(text);
    if (!document.error) {
        ReadResult read = read_unit(name, document.root, {std::string{file}}, options);
        return {std::move(read.unit), std::move(read.problems)};
    }
    const SyntaxError& error = *document.error;
    return {nullptr,
            {{Severity::error, std::string{file}, error.line, error.column, {}, error.text}}};
}

}  // namespace reeve::units
