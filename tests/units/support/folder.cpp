#include "tests/units/support/folder.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace reeve::units {

Folder::Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "units-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories((path_ / path).parent_path());
    std::ofstream{path_ / path} << text;
}

std::string Folder::path(const std::string& below) const {
    return (path_ / below).string();
}

void Folder::link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories((path_ / path).parent_path());
    std::filesystem::create_symlink(target, path_ / path);
}

LoadOptions Folder::options() const {
    LoadOptions options;
    options.folders = {path_ / "etc", path_ / "run", path_ / "lib"};
    options.host.runtime_directory = "/run";
    return options;
}

std::vector<std::string> lines(const std::vector<Problem>& problems, const Folder& folder) {
    std::vector<std::string> out;
    for (const Problem& problem : problems) {
        std::string line = to_string(problem);
        const std::string prefix = folder.path();
        if (line.starts_with(prefix)) line.erase(0, prefix.size());
        out.push_back(std::move(line));
    }
    return out;
}

}  // namespace reeve::units
