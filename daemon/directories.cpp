#include "daemon/directories.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace reeve {

namespace {

std::string failed(const char* what, const std::string& path) {
    return std::string{what} + " " + path + ": " + std::strerror(errno);
}

}  // namespace

std::string make_directories(const std::string& base, const std::vector<std::string>& names,
                             uid_t uid, gid_t gid) {
    for (const auto& name : names) {
        const std::string path = base + "/" + name;
        std::error_code error;
        std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), error);
        if (error) return "mkdir " + path + ": " + error.message();
        if (::mkdir(path.c_str(), 0755) == -1) {
            if (errno != EEXIST) return failed("mkdir", path);
            if (!std::filesystem::is_directory(path, error)) return path + " is not a directory";
        }
        const bool change = uid != static_cast<uid_t>(-1) || gid != static_cast<gid_t>(-1);
        if (change && ::lchown(path.c_str(), uid, gid) == -1) return failed("chown", path);
    }
    return {};
}

void remove_directories(const std::string& base, const std::vector<std::string>& names) {
    for (const auto& name : names) {
        std::error_code ignored;
        std::filesystem::remove_all(base + "/" + name, ignored);
    }
}

}  // namespace reeve
