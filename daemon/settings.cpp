#include "daemon/settings.hpp"

#include <cerrno>
#include <cstring>
#include <functional>

#include "daemon/process_plan.hpp"
#include "hal/posix/read_file.hpp"
#include "units/defaults.hpp"
#include "units/document.hpp"
#include "units/names.hpp"
#include "units/values.hpp"

namespace reeve {

namespace {

using units::Node;
using Type = Node::Type;

// Takes the value of one key; "" or what was expected.
using Take = std::function<std::string(const Node&, Settings&)>;

template <class T>
Take text(T Settings::*field) {
    return [field](const Node& node, Settings& settings) -> std::string {
        if (node.type != Type::string) return "a string";
        settings.*field = node.text;
        return {};
    };
}

Take duration(units::Duration Settings::*field) {
    return [field](const Node& node, Settings& settings) -> std::string {
        const auto value =
            node.type == Type::string ? units::parse_duration(node.text) : std::nullopt;
        if (!value) return "a duration such as \"30s\"";
        settings.*field = *value;
        return {};
    };
}

Take size(std::uint64_t Settings::*field) {
    return [field](const Node& node, Settings& settings) -> std::string {
        const auto value = node.type == Type::string ? units::parse_size(node.text) : std::nullopt;
        if (!value) return "a size such as \"16KiB\"";
        settings.*field = *value;
        return {};
    };
}

std::string take_unit_path(const Node& node, Settings& settings) {
    if (node.type != Type::array) return "a list of folders";
    std::vector<std::string> folders;
    for (const auto& item : node.items) {
        if (item.type != Type::string) return "a list of folders";
        folders.push_back(item.text);
    }
    settings.unit_path = std::move(folders);
    return {};
}

// A table of a unit file, for all services. What is in it is checked when the file is read.
Take service_default(const char* key) {
    return [key](const Node& node, Settings& settings) -> std::string {
        if (node.type != Type::table) return "a table";
        settings.defaults.at("service").value.at(key).value = node;
        return {};
    };
}

std::string log_default(const Node& node, Settings& settings) {
    if (node.type != Type::table) return "a table such as { to = [\"file\"] }";
    settings.defaults.at("log").value = node;
    return {};
}

struct Key {
    std::string_view table;
    std::string_view name;
    Take take;  // empty: known, but not in this version
};

const std::vector<Key>& keys() {
    static const std::vector<Key> all{
        {"manager", "target", text(&Settings::target)},
        {"manager", "unit-path", take_unit_path},
        {"manager", "log-level", text(&Settings::log_level)},
        {"manager", "bus", text(&Settings::bus)},
        {"manager", "runtime-dir", text(&Settings::runtime_dir)},
        {"manager", "log-to", nullptr},
        {"manager", "status", nullptr},
        {"defaults", "start-timeout", duration(&Settings::start_timeout)},
        {"defaults", "stop-timeout", duration(&Settings::stop_timeout)},
        {"defaults", "backoff", service_default("backoff")},
        {"defaults", "limit", service_default("limit")},
        {"defaults", "log", log_default},
        {"defaults", "limits", service_default("limits")},
        {"shutdown", "deadline", duration(&Settings::shutdown_deadline)},
        {"shutdown", "join", duration(&Settings::join_timeout)},
        {"watchdog", "device", nullptr},
        {"watchdog", "timeout", nullptr},
        {"log", "ring", size(&Settings::log_ring)},
        {"log", "rate", nullptr},
    };
    return all;
}

class Reader {
public:
    Reader(const std::string& file, Settings& settings, std::vector<units::Problem>& problems)
        : file_{file}, settings_{settings}, problems_{problems} {}

    void read(const Node& root) {
        for (const auto& table : root.entries) {
            if (table.value.type != Type::table) {
                complain(table, table.key, "found " + describe(table.value) + ", expected a table");
            } else if (table.key == "environment") {
                for (const auto& entry : table.value.entries) take_variable(entry);
            } else {
                for (const auto& entry : table.value.entries) take(table.key, entry);
            }
        }
    }

    void complain(const units::Entry& at, std::string key, std::string text) {
        problems_.push_back(
            {units::Severity::error, file_, at.line, at.column, std::move(key), std::move(text)});
    }

private:
    void take(const std::string& table, const units::Entry& entry) {
        const std::string dotted = table + "." + entry.key;
        std::vector<std::string_view> known;
        for (const auto& key : keys()) {
            if (key.table == table && key.name == entry.key) {
                const std::string expected =
                    key.take ? key.take(entry.value, settings_) : std::string{};
                if (!key.take)
                    complain(entry, dotted, "not in this version");
                else if (!expected.empty())
                    complain(entry, dotted,
                             "found " + describe(entry.value) + ", expected " + expected);
                return;
            }
            if (key.table == table) known.push_back(key.name);
        }
        const auto near = units::nearest(entry.key, known);
        complain(entry, dotted,
                 "unknown key" + (near.empty() ? std::string{}
                                               : "; did you mean `" + std::string{near} + "`?"));
    }

    // NAME = "value", or files = ["/etc/locale.conf"].
    void take_variable(const units::Entry& entry) {
        if (entry.key == "files" && entry.value.type == Type::array) {
            for (const auto& item : entry.value.items) read_file(entry, item.text);
        } else if (entry.value.type == Type::string) {
            settings_.environment[entry.key] = entry.value.text;
        } else {
            complain(entry, "environment." + entry.key,
                     "found " + describe(entry.value) + ", expected a string");
        }
    }

    // A file that does not exist is no problem: a board need not have a locale.
    void read_file(const units::Entry& entry, const std::string& path) {
        const auto text = posix::read_whole(path);
        if (!text && errno != ENOENT)
            complain(entry, "environment", path + ": cannot be read: " + std::strerror(errno));
        for (auto& [name, value] : parse_environment_file(text.value_or("")))
            settings_.environment[name] = value;
    }

    const std::string& file_;
    Settings& settings_;
    std::vector<units::Problem>& problems_;
};

// What [defaults] of one file says beside durations; false: something is wrong with it.
bool check_further_defaults(const std::string& file, const Node& root,
                            std::vector<units::Problem>& problems) {
    const units::Entry* const table = root.find("defaults");
    if (table == nullptr) return true;
    Settings own;
    for (const auto& key : keys()) {
        const units::Entry* const entry = table->value.find(key.name);
        if (key.table == "defaults" && entry != nullptr && key.take) key.take(entry->value, own);
    }
    auto found = units::check_defaults(own.defaults, file);
    for (auto& problem : found) {
        constexpr std::string_view service = "service.";
        if (problem.key.starts_with(service)) problem.key.erase(0, service.size());
        problem.key.insert(0, "defaults.");
        problems.push_back(std::move(problem));
    }
    return found.empty();
}

}  // namespace

Settings read_settings(const std::vector<std::string>& files,
                       std::vector<units::Problem>& problems) {
    Settings settings;
    for (const auto& file : files) {
        const auto text = posix::read_whole(file);
        if (!text) {
            problems.push_back({units::Severity::error, file, 0, 0, "",
                                std::string{"cannot be read: "} + std::strerror(errno)});
            continue;
        }
        const auto document = units::parse_document(*text);
        if (document.error) {
            problems.push_back({units::Severity::error, file, document.error->line,
                                document.error->column, "", document.error->text});
            continue;
        }
        const Node before = settings.defaults;
        Reader{file, settings, problems}.read(document.root);
        if (!check_further_defaults(file, document.root, problems)) settings.defaults = before;
    }
    return settings;
}

}  // namespace reeve
