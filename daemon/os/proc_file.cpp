#include "daemon/os/proc_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "hal/posix/fd.hpp"

namespace reeve::os {

std::optional<std::string> read_at(int folder, const char* path) {
    const posix::Fd fd{::openat(folder, path, O_RDONLY | O_CLOEXEC)};
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

void append_numbers(std::string_view text, std::vector<pid_t>& numbers) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
        pid_t number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (error == std::errc{}) numbers.push_back(number);
        at = error == std::errc{} ? next : at + 1;
    }
}

}  // namespace reeve::os
