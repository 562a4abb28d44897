#include "daemon/os/cgroup_dir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/os/proc_file.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

constexpr auto note_name = "user.reeve.note";

bool write_word(int dir, const char* file, const char* word) noexcept {
    const posix::Fd fd{::openat(dir, file, O_WRONLY | O_CLOEXEC)};
    return fd && ::write(fd.get(), word, std::string_view{word}.size()) > 0;
}

// The number after `key ` in a file of "key number" lines; 0: not there.
std::uint64_t number_after(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.substr(0, key.size()) != key || line.size() <= key.size() + 1) continue;
        if (line[key.size()] != ' ') continue;
        std::uint64_t value = 0;
        std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
        return value;
    }
    return 0;
}

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

// A second look: for who has it to end them, those not seen live on.
std::optional<std::string> read_processes(int folder) {
    auto text = read_at(folder, "cgroup.procs");
    if (!text && errno != ENOENT && errno != ENODEV) text = read_at(folder, "cgroup.procs");
    return text;
}

void collect(int folder, std::vector<pid_t>& pids) {
    const auto text = read_processes(folder);
    if (text) append_numbers(*text, pids);
    if (!text && errno != ENOENT && errno != ENODEV)
        log::warn("cannot read the processes of a cgroup: {}", std::strerror(errno));
    for (const auto& name : subfolders(folder)) {
        const posix::Fd below{::openat(folder, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
        if (below) collect(below.get(), pids);
    }
}

}  // namespace

std::vector<std::string> subfolders(int folder) {
    std::vector<std::string> names;
    struct stat about {};
    if (::fstat(folder, &about) == -1 || about.st_nlink <= 2) return names;  // the usual case
    posix::Fd own{::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const std::unique_ptr<DIR, CloseDir> dir{own ? ::fdopendir(own.get()) : nullptr};
    if (!dir) {
        log::warn("cannot read a folder of cgroups: {}", std::strerror(errno));
        return names;
    }
    (void)own.release();
    errno = 0;
    while (const dirent* const entry = ::readdir(dir.get())) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
        errno = 0;
    }
    if (errno != 0) log::warn("cannot read a folder of cgroups: {}", std::strerror(errno));
    return names;
}

CgroupDir::CgroupDir(int parent, std::string name) : name_{std::move(name)} {
    made_ = ::mkdirat(parent, name_.c_str(), 0755) == 0;
    if (!made_ && errno != EEXIST) {
        throw std::system_error{errno, std::generic_category(), "make cgroup " + name_};
    }
    dir_ = posix::Fd{::openat(parent, name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!dir_) throw std::system_error{errno, std::generic_category(), "open cgroup " + name_};
}

CgroupDir CgroupDir::open(int parent, std::string name) {
    CgroupDir there;
    there.name_ = std::move(name);
    constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    there.dir_ = posix::Fd{::openat(parent, there.name_.c_str(), flags)};
    return there;
}

int CgroupDir::events_fd() {
    if (!events_) events_ = posix::Fd{::openat(dir_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC)};
    return events_.get();
}

CgroupDir::Events CgroupDir::read_events() {
    int error = 0;
    for (int attempt = 0; attempt < 3; ++attempt) {
        std::optional<std::string> text;
        if (events_) {
            char buffer[128];
            const auto n = ::pread(events_.get(), buffer, sizeof buffer, 0);
            if (n > 0) text.emplace(buffer, static_cast<std::size_t>(n));
        } else {
            text = read_at(dir_.get(), "cgroup.events");
        }
        if (text)
            return {number_after(*text, "populated") != 0, number_after(*text, "frozen") != 0, 0};
        error = errno;
        if (error == ENOENT || error == ENODEV) return {};  // gone is empty
    }
    return {true, false, error};
}

// Looks first: a write takes the lock of all cgroups.
bool CgroupDir::thaw() const noexcept {
    const posix::Fd fd{::openat(dir_.get(), "cgroup.freeze", O_RDWR | O_CLOEXEC)};
    char word = 0;
    if (!fd || ::pread(fd.get(), &word, 1, 0) != 1) return false;
    return word == '0' || ::pwrite(fd.get(), "0", 1, 0) > 0;
}

bool CgroupDir::kill() const noexcept {
    return write_word(dir_.get(), "cgroup.kill", "1");
}

// Looks at the list again once the pidfds are open: a number may have passed to another process
// before, but then that one is not on the list, or is one of ours.
void CgroupDir::signal(int signal, pid_t except) const {
    constexpr std::size_t batch = 128;  // of descriptors
    const std::vector<pid_t> listed = members();
    for (std::size_t from = 0; from < listed.size(); from += batch) {
        std::vector<std::pair<pid_t, posix::Fd>> held;
        for (std::size_t i = from; i < std::min(from + batch, listed.size()); ++i) {
            const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, listed[i], 0));
            if (pidfd == -1 && errno != ESRCH)
                log::warn("cgroup {}: cannot signal process {}: {}", name_, listed[i],
                          std::strerror(errno));
            held.emplace_back(listed[i], posix::Fd{pidfd});
        }
        std::vector<pid_t> still = members();
        std::sort(still.begin(), still.end());
        for (const auto& [pid, pidfd] : held) {
            if (pid == except || !std::binary_search(still.begin(), still.end(), pid)) continue;
            ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
        }
    }
}

void CgroupDir::freeze_and_kill() const {
    write_word(dir_.get(), "cgroup.freeze", "1");
    signal(SIGKILL, 0);
}

std::vector<pid_t> CgroupDir::members() const {
    std::vector<pid_t> pids;
    collect(dir_.get(), pids);
    return pids;
}

std::uint64_t CgroupDir::oom_kills() const {
    const auto text = read_at(dir_.get(), "memory.events");
    return text ? number_after(*text, "oom_kill") : 0;
}

// By a path, as the descriptor is one that cannot be written to.
void CgroupDir::set_note(std::uint64_t number) const {
    const auto path = "/proc/self/fd/" + std::to_string(dir_.get());
    ::setxattr(path.c_str(), note_name, &number, sizeof number, 0);
}

std::uint64_t CgroupDir::note() const {
    const auto path = "/proc/self/fd/" + std::to_string(dir_.get());
    std::uint64_t number = 0;
    const auto got = ::getxattr(path.c_str(), note_name, &number, sizeof number);
    return got == sizeof number ? number : 0;
}

bool remove_cgroup(int parent, const std::string& name) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
    const posix::Fd folder{::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!folder) return false;
    for (const auto& below : subfolders(folder.get())) remove_cgroup(folder.get(), below);
    return ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0;
}

}  // namespace reeve::os
