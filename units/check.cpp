#include "units/check.hpp"

#include <algorithm>

#include "units/loader.hpp"
#include "units/locate.hpp"

namespace reeve::units {

namespace {

namespace fs = std::filesystem;

// True for the path itself and all that lies below it or in its drop-ins.
bool is_within(const std::string& file, const std::string& path) {
    if (!file.starts_with(path)) return false;
    const std::string_view rest = std::string_view{file}.substr(path.size());
    return rest.empty() || path.ends_with('/') || rest.starts_with('/') || rest.starts_with(".d/");
}

// NAME.toml.d
bool holds_drop_ins(const fs::path& folder) {
    return folder.filename().string().ends_with(".toml.d");
}

struct Asked {
    std::string path;      // what is wrong here is told
    std::string drop_ins;  // the folder of drop-ins it is, or lies in; empty: neither
};

// A drop-in means something on its unit only, which is looked for beside it first.
Asked asked(const fs::path& path, bool is_folder) {
    const fs::path bare = path.has_filename() ? path : path.parent_path();
    const fs::path drop_ins = is_folder ? bare : bare.parent_path();
    if (!holds_drop_ins(drop_ins)) return {path.string(), {}};
    const std::string here = drop_ins.has_parent_path() ? "" : "./";
    return {here + path.string(), here + drop_ins.string()};
}

Problem problem_of(const fs::path& path, std::string text) {
    return {Severity::error, path.string(), 0, 0, {}, std::move(text)};
}

}  // namespace

CheckReport check(const std::vector<fs::path>& paths, const LoadOptions& options) {
    LoadOptions widened = options;
    std::vector<fs::path> folders;
    std::vector<std::string> files;
    std::vector<Asked> all;
    UnitSet set;
    for (const fs::path& path : paths) {
        std::error_code error;
        const fs::file_status status = fs::status(path, error);
        const bool is_folder = status.type() == fs::file_type::directory;
        const Asked& one = all.emplace_back(asked(path, is_folder));
        if (status.type() == fs::file_type::not_found)
            set.problems.push_back(problem_of(one.path, "no such file or folder"));
        else if (!one.drop_ins.empty())
            folders.emplace_back(fs::path{one.drop_ins}.parent_path());
        else if (is_folder)
            folders.push_back(path);
        else
            files.push_back(path.string());
    }
    widened.folders.insert(widened.folders.begin(), folders.begin(), folders.end());
    Loader loader{widened, set};
    for (const std::string& file : files) loader.add_file(file);
    loader.load_all();
    check_set(set, locate);

    const auto is_asked = [&](const std::string& file) {
        return paths.empty() || std::ranges::any_of(all, [&](const Asked& one) {
                   return is_within(file, one.path) || file == one.drop_ins;
               });
    };
    CheckReport report{std::move(set.problems), 0};
    std::erase_if(report.problems, [&](const Problem& each) { return !is_asked(each.file); });
    for (const auto& [name, unit] : set.units)
        report.units += std::ranges::any_of(unit->files, is_asked) ? 1 : 0;
    return report;
}

std::string format(const std::vector<Problem>& problems) {
    std::string out;
    for (const Problem& problem : problems) out.append(to_string(problem)).append("\n");
    return out;
}

}  // namespace reeve::units
