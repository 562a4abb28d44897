#include "units/program_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace reeve::units {

std::optional<std::string> find_program(std::string_view word, std::string_view path) {
    while (!path.empty()) {
        const auto colon = path.find(':');
        const std::string_view folder = path.substr(0, colon);
        path = colon == std::string_view::npos ? std::string_view{} : path.substr(colon + 1);
        if (!folder.starts_with('/')) continue;  // never relative to where we happen to stand
        std::string candidate{folder};
        candidate.append("/").append(word);
        struct stat status {};
        if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
            ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return std::nullopt;
}

}  // namespace reeve::units
