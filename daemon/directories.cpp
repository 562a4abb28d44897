// The folders above may belong to the service's user, who could put a symbolic link in the place of
// one: so each step is taken from the folder before it, and no link is followed. In `base` itself,
// where only the administrator writes, links are welcome.
#include "daemon/directories.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

#include "hal/posix/fd.hpp"

namespace reeve {

namespace {

// Of a tree that a service made; below that, each level would cost a descriptor.
constexpr int deepest = 64;

std::string failed(const char* what, const std::string& path) {
    return std::string{what} + " " + path + ": " + std::strerror(errno);
}

// "a/b/c": its words; `base` is the folder they are walked from.
struct Walk {
    posix::Fd at;
    std::string path;
    bool in_base = true;

    explicit Walk(const std::string& base)
        : at{::open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)}, path{base} {}

    // False, with errno: there is no such folder, or it is a link.
    bool enter(const std::string& word) {
        path += "/" + word;
        const int links = std::exchange(in_base, false) ? 0 : O_NOFOLLOW;
        at = posix::Fd{::openat(at.get(), word.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | links)};
        return static_cast<bool>(at);
    }
};

std::vector<std::string> words_of(std::string_view name) {
    std::vector<std::string> words;
    while (!name.empty()) {
        const std::size_t end = std::min(name.find('/'), name.size());
        const std::string_view word = name.substr(0, end);
        if (!word.empty() && word != "." && word != "..") words.emplace_back(word);
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return words;
}

bool is_link(int folder, const std::string& word) {
    struct stat status {};
    return ::fstatat(folder, word.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(status.st_mode);
}

std::string make_directory(const std::string& base, const std::string& name, uid_t uid, gid_t gid) {
    Walk walk{base};
    if (!walk.at) return failed("open", base);
    for (const std::string& word : words_of(name)) {
        const std::string path = walk.path + "/" + word;
        if (::mkdirat(walk.at.get(), word.c_str(), 0755) == -1 && errno != EEXIST)
            return failed("mkdir", path);
        const bool link = !walk.in_base && is_link(walk.at.get(), word);
        if (walk.enter(word)) continue;
        if (link) return path + " is a symbolic link, which is not followed here";
        return errno == ENOTDIR ? path + " is not a directory" : failed("open", path);
    }
    const bool change = uid != static_cast<uid_t>(-1) || gid != static_cast<gid_t>(-1);
    if (change && !walk.in_base &&
        ::fchownat(walk.at.get(), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == -1)
        return failed("chown", walk.path);
    return {};
}

void remove_tree(int folder, const char* name, int depth) {
    if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) return;
    if (::unlinkat(folder, name, AT_REMOVEDIR) == 0 || depth == 0) return;
    posix::Fd inside{::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!inside) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir{::fdopendir(inside.get()), ::closedir};
    if (!dir) return;
    const int at = inside.release();
    while (const dirent* const entry = ::readdir(dir.get())) {
        const std::string_view each = entry->d_name;
        if (each != "." && each != "..") remove_tree(at, entry->d_name, depth - 1);
    }
    ::unlinkat(folder, name, AT_REMOVEDIR);
}

}  // namespace

std::string make_directories(const std::string& base, const std::vector<std::string>& names,
                             uid_t uid, gid_t gid) {
    if (names.empty()) return {};
    std::error_code error;
    std::filesystem::create_directories(base, error);
    if (error) return "mkdir " + base + ": " + error.message();
    for (const auto& name : names)
        if (std::string why = make_directory(base, name, uid, gid); !why.empty()) return why;
    return {};
}

void remove_directories(const std::string& base, const std::vector<std::string>& names) {
    for (const auto& name : names) {
        std::vector<std::string> words = words_of(name);
        if (words.empty()) continue;
        const std::string last = std::move(words.back());
        words.pop_back();
        Walk walk{base};
        bool there = static_cast<bool>(walk.at);
        for (const auto& word : words) there = there && walk.enter(word);
        if (there) remove_tree(walk.at.get(), last.c_str(), deepest);
    }
}

}  // namespace reeve
