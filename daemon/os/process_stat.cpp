#include "daemon/os/process_stat.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "hal/posix/fd.hpp"

namespace reeve::os {

namespace {

// Takes the next word off `text`.
std::string_view word(std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view found = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return found;
}

template <class T>
bool number(std::string_view text, T& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
    const std::size_t name_end = text.rfind(')');
    if (name_end == text.npos) return std::nullopt;
    text.remove_prefix(name_end + 1);
    ProcessStat stat;
    const std::string_view state = word(text);
    if (state.size() != 1 || !number(word(text), stat.parent)) return std::nullopt;
    stat.state = state.front();
    for (int field = 5; field < 9; ++field) word(text);
    if (!number(word(text), stat.flags)) return std::nullopt;
    for (int field = 10; field < 22; ++field) word(text);
    if (!number(word(text), stat.start_time)) return std::nullopt;
    return stat;
}

bool is_no_process(int error) noexcept {
    return error == ENOENT || error == ESRCH;
}

std::optional<ProcessStat> read_process_stat(pid_t pid) {
    constexpr int attempts = 3;
    std::array<char, 32> path;
    ::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
    for (int left = attempts;; --left) {
        std::array<char, 1024> buffer;
        const posix::Fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
        const ssize_t got = file ? ::read(file.get(), buffer.data(), buffer.size()) : -1;
        if (got >= 0) errno = ESRCH;  // what the reason is if that tells nothing
        if (got >= 0) return parse_process_stat({buffer.data(), static_cast<std::size_t>(got)});
        if (is_no_process(errno) || left == 1) return std::nullopt;
    }
}

}  // namespace reeve::os
