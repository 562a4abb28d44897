// Every key of a unit file: one row each, from which files are read, wrong keys are explained and
// the reference in units/README.md is made.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "units/document.hpp"
#include "units/reader.hpp"
#include "units/unit_file.hpp"

namespace reeve::units {

struct Row {
    std::string_view table;     // "service"
    std::string_view key;       // "limits.nofile"
    std::string_view type;      // "duration"
    std::string_view measure;   // unit, or the words it may be; empty: none
    std::string_view fallback;  // when it is not written
    std::string_view example;   // as TOML
    std::string_view about;
    void (*read)(Reader& reader, const Node& node, UnitFile& unit);
    bool adds = false;  // in a drop-in: adds to the list rather than replaces it
};

// Rows by table, in the order of the reference.
std::span<const Row> unit_rows();
std::span<const Row> service_rows();
std::span<const Row> device_rows();
std::span<const Row> hal_rows();
std::span<const Row> log_rows();
std::span<const Row> access_rows();
const std::vector<const Row*>& all_rows();

// nullptr: no such key.
const Row* find_row(std::string_view table, std::string_view key);
// True for "backoff", when there are rows "backoff.first" and so on.
bool is_group(std::string_view table, std::string_view key);

bool is_table(std::string_view table);
// Tables and keys of later versions.
bool is_later_table(std::string_view table);
bool is_later_key(std::string_view table, std::string_view key);

// "unknown key; did you mean `restart`?", "not in this version", "belongs in [unit]".
std::string explain_unknown_key(std::string_view table, std::string_view key);
std::string explain_unknown_table(std::string_view table);

// What several rows share; each complains through the reader.
std::vector<std::string> read_names(Reader& reader, const Node& node);
std::vector<Predicate> read_predicates(Reader& reader, const Node& node);
void read_commands(Reader& reader, const Node& node, Phase phase, UnitFile& unit);

// Sets what hangs on several keys and complains about what does not fit together. `root` is the
// document, `unit` what was read from it.
void finish_unit(Reader& reader, const Node& root, UnitFile& unit);

}  // namespace reeve::units
