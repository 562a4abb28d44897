#include "daemon/environment_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hal/posix/fd.hpp"

namespace reeve {

namespace {

constexpr std::size_t most = 1024 * 1024;

// Fills `text`; what is wrong, or empty.
std::string read(const std::string& path, std::string& text) {
    const posix::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) return std::strerror(errno);
    struct stat about {};
    if (::fstat(file.get(), &about) == -1) return std::strerror(errno);
    if (!S_ISREG(about.st_mode)) return "not a regular file";
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got == -1 && errno == EINTR) continue;
        if (got == -1) return std::strerror(errno);
        if (got == 0) return {};
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > most) return "larger than 1 MiB";
    }
}

}  // namespace

std::string read_environment_file(const units::EnvironmentFile& file, Environment& variables) {
    std::string text;
    const std::string problem = read(file.path, text);
    if (!problem.empty()) {
        if (file.optional) return {};
        return "cannot read environment-file " + file.path + ": " + problem;
    }
    for (auto& [name, value] : parse_environment_file(text)) variables[name] = value;
    return {};
}

}  // namespace reeve
