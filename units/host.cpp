#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "hal/posix/read_file.hpp"
#include "units/load.hpp"

namespace reeve::units {

namespace {

// The first line; empty: there is no such file, or it cannot be read, which is a problem.
std::string first_line(const std::string& path, std::vector<std::string>& problems) {
    const auto text = posix::read_whole(path);
    if (text) return text->substr(0, text->find('\n'));
    if (errno != ENOENT) problems.push_back("cannot read " + path + ": " + std::strerror(errno));
    return {};
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
    host.boot_id = without_dashes(first_line("/proc/sys/kernel/random/boot_id", host.problems));
    host.machine_id = first_line("/etc/machine-id", host.problems);
    const bool root = ::geteuid() == 0;
    host.runtime_directory = root ? "/run" : variable("XDG_RUNTIME_DIR");
    host.user_name = root ? "root" : variable("USER");
    host.home = root ? "/root" : variable("HOME");
    return host;
}

}  // namespace reeve::units
