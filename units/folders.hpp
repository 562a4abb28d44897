// What the folders of the search path hold: which file a unit is read from, and its drop-ins.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "units/problem.hpp"

namespace reeve::units {

class Folders {
public:
    // Reads the folders; one that does not exist is as good as empty.
    Folders(const std::vector<std::filesystem::path>& folders, std::vector<Problem>& problems);

    // A file that comes before all others of its name.
    void add_file(const std::string& path, std::vector<Problem>& problems);

    // The first file of each name on the path.
    using Files = std::map<std::string, std::string, std::less<>>;
    [[nodiscard]] const Files& files() const { return files_; }

    // The drop-ins in NAME.toml.d of all folders by file name; of two with one name the first
    // folder's. Reads the folders at the first call for a name.
    const std::vector<std::string>& drop_ins(std::string_view name, std::vector<Problem>& problems);

    // Names that have a folder of drop-ins.
    [[nodiscard]] std::vector<std::string_view> with_drop_ins() const;
    // The first folder of drop-ins of a name.
    [[nodiscard]] const std::string& drop_in_folder(std::string_view name) const;

    // Folders of either kind that are there and could not be read: what they hold is not known.
    [[nodiscard]] const std::vector<std::string>& unreadable() const { return unreadable_; }

private:
    std::vector<std::string> names_in(const std::string& folder, std::vector<Problem>& problems);
    void add(const std::string& folder, const std::string& entry, std::vector<Problem>& problems);

    struct DropIns {
        std::vector<std::string> folders;  // in order of the search path
        std::vector<std::string> files;
        bool listed = false;
    };
    Files files_;
    std::vector<std::string> unreadable_;
    std::map<std::string, DropIns, std::less<>> drop_ins_;
};

}  // namespace reeve::units
