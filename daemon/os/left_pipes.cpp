#include "daemon/os/left_pipes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "daemon/os/proc_file.hpp"

namespace reeve::os {

namespace {

std::string link_of(const std::string& process, const std::string& fd) {
    return "/proc/" + process + "/fd/" + fd;
}

ino_t pipe_behind(const std::string& link) {
    std::error_code error;
    const std::string what = std::filesystem::read_symlink(link, error).string();
    constexpr std::string_view kind = "pipe:[";
    if (error || !what.starts_with(kind)) return 0;
    return std::strtoull(what.c_str() + kind.size(), nullptr, 10);
}

bool is_read_from(const std::string& process, const std::string& fd) {
    const auto text = posix::read_whole("/proc/" + process + "/fdinfo/" + fd);
    const auto at = text ? text->find("flags:") : std::string::npos;
    if (at == std::string::npos) return false;
    const auto flags = std::strtoul(text->c_str() + at + 6, nullptr, 8);
    return (flags & O_ACCMODE) != O_WRONLY;
}

bool reads(pid_t pid, ino_t pipe) {
    const std::string process = std::to_string(pid);
    std::error_code error;
    std::filesystem::directory_iterator at{"/proc/" + process + "/fd", error};
    for (; !error && at != end(at); at.increment(error)) {
        if (pipe_behind(at->path().string()) == pipe &&
            is_read_from(process, at->path().filename().string()))
            return true;
    }
    return false;
}

}  // namespace

ino_t pipe_of(pid_t pid, int fd) {
    return pipe_behind(link_of(std::to_string(pid), std::to_string(fd)));
}

ino_t pipe_of(int fd) {
    return pipe_behind(link_of("self", std::to_string(fd)));
}

posix::Fd reopen_pipe(pid_t pid, int fd, const std::vector<pid_t>& users) {
    const ino_t pipe = pipe_of(pid, fd);
    if (pipe == 0) return {};
    for (const pid_t user : users)
        if (reads(user, pipe)) return {};
    const std::string link = link_of(std::to_string(pid), std::to_string(fd));
    posix::Fd opened{::open(link.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (opened && pipe_of(opened.get()) != pipe) return {};
    return opened;
}

}  // namespace reeve::os
