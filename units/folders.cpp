#include "units/folders.hpp"

#include <algorithm>

#include "units/files.hpp"
#include "units/names.hpp"

namespace reeve::units {

namespace {

constexpr std::string_view file_suffix = ".toml";
constexpr std::string_view drop_in_suffix = ".toml.d";

}  // namespace

// None when it does not exist or after a complaint.
std::vector<std::string> Folders::names_in(const std::string& folder,
                                           std::vector<Problem>& problems) {
    std::string error;
    auto names = list_folder(folder, error);
    if (!error.empty()) {
        unreadable_.push_back(folder);
        problems.push_back({Severity::error, folder, 0, 0, {}, std::move(error)});
    }
    return names ? std::move(*names) : std::vector<std::string>{};
}

Folders::Folders(const std::vector<std::filesystem::path>& folders,
                 std::vector<Problem>& problems) {
    for (const auto& folder : folders)
        for (const std::string& entry : names_in(folder.string(), problems))
            add(folder.string(), entry, problems);
}

void Folders::add_file(const std::string& path, std::vector<Problem>& problems) {
    const std::string_view entry = std::string_view{path}.substr(path.rfind('/') + 1);
    const std::string_view name =
        entry.substr(0, entry.size() - std::min(entry.size(), file_suffix.size()));
    if (entry.ends_with(file_suffix) && is_unit_name(name))
        files_.insert_or_assign(std::string{name}, path);
    else
        problems.push_back({Severity::error,
                            path,
                            0,
                            0,
                            {},
                            "not the name of a unit file: NAME.toml, where NAME is letters, "
                            "digits, : _ . - \\ and one @"});
}

void Folders::add(const std::string& folder, const std::string& entry,
                  std::vector<Problem>& problems) {
    if (entry.starts_with('.')) return;  // what editors and package managers leave behind
    const bool is_file = entry.ends_with(file_suffix);
    if (!is_file && !entry.ends_with(drop_in_suffix)) return;
    std::string path = folder + (folder.ends_with('/') ? "" : "/") + entry;
    std::string name{std::string_view{entry}.substr(
        0, entry.size() - (is_file ? file_suffix : drop_in_suffix).size())};
    if (!is_unit_name(name)) {
        problems.push_back({Severity::error,
                            std::move(path),
                            0,
                            0,
                            {},
                            "not the name of a unit: letters, digits, : _ . - \\ and one @"});
        return;
    }
    if (is_file)
        files_.try_emplace(std::move(name), std::move(path));
    else
        drop_ins_[std::move(name)].folders.push_back(std::move(path));
}

const std::vector<std::string>& Folders::drop_ins(std::string_view name,
                                                  std::vector<Problem>& problems) {
    static const std::vector<std::string> none;
    const auto found = drop_ins_.find(name);
    if (found == drop_ins_.end()) return none;
    DropIns& of_name = found->second;
    if (of_name.listed) return of_name.files;
    std::map<std::string, std::string> by_name;
    for (const std::string& folder : of_name.folders)
        for (const std::string& entry : names_in(folder, problems))
            if (entry.ends_with(file_suffix) && !entry.starts_with('.'))
                by_name.try_emplace(entry, std::string{folder}.append("/").append(entry));
    for (auto& [entry, path] : by_name) of_name.files.push_back(std::move(path));
    of_name.listed = true;
    return of_name.files;
}

std::vector<std::string_view> Folders::with_drop_ins() const {
    std::vector<std::string_view> names;
    for (const auto& [name, of_name] : drop_ins_) names.push_back(name);
    return names;
}

const std::string& Folders::drop_in_folder(std::string_view name) const {
    return drop_ins_.find(name)->second.folders.front();
}

}  // namespace reeve::units
