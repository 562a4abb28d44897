#include "units/schema.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "units/names.hpp"

namespace reeve::units {

namespace {

struct LaterKey {
    std::string_view table;
    std::string_view key;
};
constexpr std::array later_keys{
    LaterKey{"unit", "propagates-reload-to"},
    LaterKey{"unit", "propagates-stop-to"},
    LaterKey{"unit", "reload-propagated-from"},
    LaterKey{"unit", "stop-propagated-from"},
    LaterKey{"unit", "requires-mounts-for"},
    LaterKey{"service", "bus-name"},
    LaterKey{"service", "sockets"},
    LaterKey{"service", "slice"},
    LaterKey{"service", "nice"},
    LaterKey{"service", "cpu-affinity"},
    LaterKey{"service", "cpu-policy"},
    LaterKey{"service", "cpu-priority"},
    LaterKey{"service", "cpu-weight"},
    LaterKey{"service", "cpu-max"},
    LaterKey{"service", "memory-max"},
    LaterKey{"service", "memory-high"},
    LaterKey{"service", "tasks-max"},
    LaterKey{"service", "io-class"},
    LaterKey{"service", "io-priority"},
    LaterKey{"service", "io-weight"},
    LaterKey{"service", "oom-score-adjust"},
    LaterKey{"service", "capabilities"},
    LaterKey{"service", "ambient-capabilities"},
    LaterKey{"service", "no-new-privileges"},
    LaterKey{"service", "supplementary-groups"},
    LaterKey{"service", "root-directory"},
    LaterKey{"service", "stdin"},
    LaterKey{"service", "tty"},
    LaterKey{"service", "fd-store-max"},
    LaterKey{"service", "cache-directory"},
    LaterKey{"service", "logs-directory"},
    LaterKey{"service", "configuration-directory"},
    LaterKey{"service", "runtime-directory-mode"},
    LaterKey{"service", "runtime-directory-preserve"},
    LaterKey{"service", "state-directory-mode"},
    LaterKey{"service", "private-tmp"},
    LaterKey{"service", "protect-system"},
    LaterKey{"service", "watchdog-signal"},
    LaterKey{"service", "final-kill-signal"},
    LaterKey{"service", "reload-signal"},
    LaterKey{"service", "limits.as"},
    LaterKey{"service", "limits.core"},
    LaterKey{"service", "limits.cpu"},
    LaterKey{"service", "limits.data"},
    LaterKey{"service", "limits.fsize"},
    LaterKey{"service", "limits.locks"},
    LaterKey{"service", "limits.memlock"},
    LaterKey{"service", "limits.msgqueue"},
    LaterKey{"service", "limits.nice"},
    LaterKey{"service", "limits.nproc"},
    LaterKey{"service", "limits.rss"},
    LaterKey{"service", "limits.rtprio"},
    LaterKey{"service", "limits.rttime"},
    LaterKey{"service", "limits.sigpending"},
    LaterKey{"service", "limits.stack"},
    LaterKey{"hal", "on-loss"},
    LaterKey{"hal", "priority"},
    LaterKey{"hal", "ttl"},
    LaterKey{"hal", "max-hold"},
    LaterKey{"log", "rate"},
    LaterKey{"log", "burst"},
    LaterKey{"log", "level"},
    LaterKey{"log", "identifier"},
    LaterKey{"log", "facility"},
    LaterKey{"device", "match"},
    LaterKey{"device", "policy"},
    LaterKey{"device", "enforce"},
    LaterKey{"device", "sanitise"},
    LaterKey{"device", "priority"},
};
constexpr std::array<std::string_view, 11> later_tables{"socket", "timer", "path",         "mount",
                                                        "slice",  "group", "event",        "queue",
                                                        "pipe",   "pool",  "shared-memory"};
constexpr std::array<std::string_view, 7> tables{"unit", "service", "target", "device",
                                                 "hal",  "log",     "access"};

bool by_name(const Row* a, const Row* b) {
    return std::tie(a->table, a->key) < std::tie(b->table, b->key);
}

const std::vector<const Row*>& sorted_rows() {
    static const std::vector<const Row*> rows = [] {
        std::vector<const Row*> sorted = all_rows();
        std::ranges::sort(sorted, by_name);
        return sorted;
    }();
    return rows;
}

// The first row of the table whose key is not before `key`.
std::vector<const Row*>::const_iterator lower_bound(std::string_view table, std::string_view key) {
    Row wanted{};
    wanted.table = table;
    wanted.key = key;
    return std::ranges::lower_bound(sorted_rows(), &wanted, by_name);
}

}  // namespace

const std::vector<const Row*>& all_rows() {
    static const std::vector<const Row*> rows = [] {
        std::vector<const Row*> all;
        for (const auto part :
             {unit_rows(), service_rows(), device_rows(), hal_rows(), log_rows(), access_rows()})
            for (const Row& row : part) all.push_back(&row);
        return all;
    }();
    return rows;
}

const Row* find_row(std::string_view table, std::string_view key) {
    const auto found = lower_bound(table, key);
    return found != sorted_rows().end() && (*found)->table == table && (*found)->key == key
               ? *found
               : nullptr;
}

bool is_group(std::string_view table, std::string_view key) {
    const std::string prefix = std::string{key} + '.';
    const auto found = lower_bound(table, prefix);
    return found != sorted_rows().end() && (*found)->table == table &&
           (*found)->key.starts_with(prefix);
}

bool is_table(std::string_view table) {
    return std::ranges::find(tables, table) != tables.end();
}

bool is_later_table(std::string_view table) {
    return std::ranges::find(later_tables, table) != later_tables.end();
}

bool is_later_key(std::string_view table, std::string_view key) {
    return std::ranges::any_of(later_keys, [&](const LaterKey& later) {
        return later.table == table && later.key == key;
    });
}

std::string explain_unknown_key(std::string_view table, std::string_view key) {
    if (is_later_key(table, key)) return "not in this version";
    for (const std::string_view other : tables)
        if (find_row(other, key) != nullptr || is_group(other, key))
            return "unknown key here; it belongs in [" + std::string{other} + "]";
    std::vector<std::string_view> known;
    const bool of_group = key.find('.') != std::string_view::npos;
    for (const Row* row : all_rows()) {
        if (row->table != table) continue;
        known.push_back(row->key);
        const auto dot = row->key.find('.');
        if (dot != std::string_view::npos && !of_group) known.push_back(row->key.substr(0, dot));
    }
    const std::string_view near = nearest(key, known);
    if (near.empty()) return "unknown key";
    return "unknown key; did you mean `" + std::string{near} + "`?";
}

std::string explain_unknown_table(std::string_view table) {
    if (is_later_table(table)) return "not in this version";
    for (const std::string_view other : tables)
        if (find_row(other, table) != nullptr || is_group(other, table))
            return "unknown key here; it belongs in [" + std::string{other} + "]";
    const std::string_view near = nearest(table, {tables.begin(), tables.end()});
    if (near.empty()) return "unknown table";
    return "unknown table; did you mean [" + std::string{near} + "]?";
}

std::vector<std::string> read_names(Reader& reader, const Node& node) {
    std::vector<std::string> out;
    for (const Node& item : reader.list(node, "a list of names such as [\"network\"]"))
        if (auto name = reader.unit_name(item)) out.push_back(std::move(*name));
    out.shrink_to_fit();
    return out;
}

}  // namespace reeve::units
