#include "units/reference.hpp"

#include "units/schema.hpp"

namespace reeve::units {

namespace {

struct Section {
    std::string_view table;
    std::string_view about;
};
constexpr Section sections[] = {
    {"unit", "Stands in every file: what the unit is called, needs and waits for."},
    {"service", "Processes. One of [service], [target] and [device] says what a file holds."},
    {"device", "A semaphore that units and programs hold leases of."},
    {"hal", "What a service holds of devices."},
    {"log", "Where the output of a service goes."},
    {"access", "Who else may control the unit."},
};

// A cell of a table may hold no bar.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

std::string line(const Row& row) {
    std::string out = "| `" + std::string{row.key} + "` | " + cell(row.type);
    if (!row.measure.empty()) out += ": " + cell(row.measure);
    out += " | " + cell(row.fallback) + " | `" + cell(row.example) + "` | " + cell(row.about);
    if (row.adds) out += " *Adds.*";
    return out + " |\n";
}

}  // namespace

std::string reference() {
    std::string out;
    for (const auto& [table, about] : sections) {
        out += "### [" + std::string{table} + "]\n\n" + std::string{about} + "\n\n";
        out +=
            "| key | type: unit or words | default | example | meaning |\n|---|---|---|---|---|\n";
        for (const Row* row : all_rows())
            if (row->table == table) out += line(*row);
        out += '\n';
        if (table == "service")
            out += "### [target]\n\nA name that other units gather under. It has no keys.\n\n";
    }
    return out;
}

}  // namespace reeve::units
