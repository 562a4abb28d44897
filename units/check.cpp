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

Problem problem_of(const fs::path& path, std::string text) {
    return {Severity::error, path.string(), 0, 0, {}, std::move(text)};
}

}  // namespace

CheckReport check(const std::vector<fs::path>& paths, const LoadOptions& options) {
    LoadOptions widened = options;
    std::vector<fs::path> folders;
    std::vector<std::string> files;
    UnitSet set;
    for (const fs::path& path : paths) {
        std::error_code error;
        const fs::file_status status = fs::status(path, error);
        if (status.type() == fs::file_type::not_found)
            set.problems.push_back(problem_of(path, "no such file or folder"));
        else if (status.type() == fs::file_type::directory)
            folders.push_back(path);
        else
            files.push_back(path.string());
    }
    widened.folders.insert(widened.folders.begin(), folders.begin(), folders.end());
    Loader loader{widened, set};
    for (const std::string& file : files) loader.add_file(file);
    loader.load_all();
    check_set(set, locate);

    CheckReport report{std::move(set.problems), set.units.size()};
    const auto is_asked = [&](const Problem& problem) {
        return paths.empty() || std::ranges::any_of(paths, [&](const fs::path& path) {
                   return is_within(problem.file, path.string());
               });
    };
    std::erase_if(report.problems, [&](const Problem& problem) { return !is_asked(problem); });
    return report;
}

std::string format(const std::vector<Problem>& problems) {
    std::string out;
    for (const Problem& problem : problems) out.append(to_string(problem)).append("\n");
    return out;
}

}  // namespace reeve::units
