#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "units/load.hpp"

namespace reeve::units {

namespace {

// The first line; empty: there is no such file.
std::string first_line(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char buffer[256];  // longer than any of them
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    ::close(fd);
    const std::string_view text{buffer, static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
    return std::string{text.substr(0, text.find('\n'))};
}

std::string without_dashes(std::string id) {
    std::erase(id, '-');
    return id;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

}  // namespace

Host this_host() {
    Host host;
    host.host_name.resize(256);
    if (::gethostname(host.host_name.data(), host.host_name.size()) != 0) host.host_name.clear();
    host.host_name.resize(std::min(host.host_name.find('\0'), host.host_name.size()));
    host.boot_id = without_dashes(first_line("/proc/sys/kernel/random/boot_id"));
    host.machine_id = first_line("/etc/machine-id");
    const bool root = ::geteuid() == 0;
    host.runtime_directory = root ? "/run" : variable("XDG_RUNTIME_DIR");
    host.user_name = root ? "root" : variable("USER");
    host.home = root ? "/root" : variable("HOME");
    return host;
}

}  // namespace reeve::units
