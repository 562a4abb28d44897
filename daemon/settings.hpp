// reeved.toml: what holds for the manager and all units.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "units/document.hpp"
#include "units/problem.hpp"
#include "units/unit_file.hpp"

namespace reeve {

struct Settings {
    std::string target;
    std::string log_level;
    std::vector<std::string> unit_path;  // empty: the default
    std::string bus;
    std::string runtime_dir;
    units::Duration start_timeout = std::chrono::seconds{90};
    units::Duration stop_timeout = std::chrono::seconds{10};
    units::Node defaults;  // further ones of services, as units::LoadOptions takes them
    units::Duration shutdown_deadline = std::chrono::seconds{90};
    units::Duration join_timeout = std::chrono::seconds{30};
    std::uint64_t log_ring = 16 << 10;
    std::uint64_t log_total = 4 << 20;
    std::map<std::string, std::string> environment;  // of all children
};

// Reads the files in order, later ones win key by key. Problems are told with their place; a file
// that cannot be used is left out.
Settings read_settings(const std::vector<std::string>& files,
                       std::vector<units::Problem>& problems);

}  // namespace reeve
