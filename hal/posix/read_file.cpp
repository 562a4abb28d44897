#include "hal/posix/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "hal/posix/fd.hpp"

namespace reeve::posix {

std::optional<std::string> read_at(int folder, const char* path) {
    int opened = -1;
    do {
        opened = ::openat(folder, path, O_RDONLY | O_CLOEXEC);
    } while (opened == -1 && errno == EINTR);
    const Fd fd{opened};
    if (!fd) return std::nullopt;
    std::string text;
    for (;;) {
        char buffer[4096];
        const auto n = ::read(fd.get(), buffer, sizeof buffer);
        if (n == -1 && errno == EINTR) continue;
        if (n == -1) return std::nullopt;
        if (n == 0) return text;
        text.append(buffer, static_cast<std::size_t>(n));
    }
}

std::optional<std::string> read_whole(const std::string& path) {
    return read_at(AT_FDCWD, path.c_str());
}

}  // namespace reeve::posix
