// A temporary folder of unit files, removed at the end.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "units/load.hpp"

namespace reeve::units {

class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    // Writes a file below the folder, and the folders above it.
    void write(const std::string& path, std::string_view text) const;
    [[nodiscard]] std::string path(const std::string& below = "") const;
    void link(const std::string& path, const std::string& target) const;

    // Loads etc, run and lib below the folder, in this order of precedence.
    [[nodiscard]] LoadOptions options() const;
    [[nodiscard]] UnitSet load() const { return units::load(options()); }

private:
    std::filesystem::path path_;
};

// The problems, one a line, with the folder's path left out.
std::vector<std::string> lines(const std::vector<Problem>& problems, const Folder& folder);

}  // namespace reeve::units
