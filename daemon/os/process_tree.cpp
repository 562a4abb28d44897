#include "daemon/os/process_tree.hpp"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <memory>

#include "daemon/os/cgroup_place.hpp"
#include "daemon/os/proc_file.hpp"
#include "daemon/os/process_stat.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

namespace {

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::string proc(pid_t pid, const char* file) {
    return "/proc/" + std::to_string(pid) + file;
}

std::vector<pid_t> numbered_entries(const std::string& folder) {
    std::vector<pid_t> numbers;
    const std::unique_ptr<DIR, CloseDir> dir{::opendir(folder.c_str())};
    if (!dir) return numbers;
    while (const dirent* const entry = ::readdir(dir.get())) {
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            append_numbers(entry->d_name, numbers);
        }
    }
    return numbers;
}

// Each thread has the children it made. False: the kernel has no such file.
bool append_children(pid_t pid, std::vector<pid_t>& children) {
    bool readable = false;
    for (const pid_t thread : numbered_entries(proc(pid, "/task"))) {
        const auto text = read_whole(proc(pid, "/task/") + std::to_string(thread) + "/children");
        if (!text) continue;
        readable = true;
        append_numbers(*text, children);
    }
    return readable;
}

std::vector<ProcessInfo> by_children_files(pid_t root, bool& supported) {
    std::vector<ProcessInfo> found;
    std::vector<pid_t> children;
    supported = append_children(root, children);
    // Bounded: who forks faster than we read would keep us here.
    constexpr std::size_t limit = 65'536;
    for (std::size_t next = 0; supported && next < std::min(children.size(), limit); ++next) {
        const ProcessInfo info = process_info(children[next]);
        if (info.id.start == 0) continue;
        if (!info.zombie) found.push_back(info);
        append_children(info.id.pid, children);
    }
    return found;
}

std::vector<ProcessInfo> by_parents(pid_t root) {
    std::multimap<pid_t, ProcessInfo> by_parent;
    for (const pid_t pid : numbered_entries("/proc")) {
        const ProcessInfo info = process_info(pid);
        if (info.id.start != 0) by_parent.emplace(info.parent, info);
    }
    std::vector<ProcessInfo> found;
    std::vector<pid_t> parents{root};
    for (std::size_t next = 0; next < parents.size(); ++next) {
        const auto [begin, end] = by_parent.equal_range(parents[next]);
        for (auto child = begin; child != end; ++child) {
            if (!child->second.zombie) found.push_back(child->second);
            parents.push_back(child->first == 0 ? 0 : child->second.id.pid);
        }
    }
    return found;
}

}  // namespace

// "PID (NAME) STATE PPID PGRP SESSION …", start time is the 22nd. NAME may hold anything.
ProcessInfo process_info(pid_t pid) {
    ProcessInfo info;
    info.id.pid = pid;
    const auto text = read_whole(proc(pid, "/stat"));
    if (!text) return info;
    const auto name_end = text->rfind(')');
    if (name_end == std::string::npos || name_end + 2 >= text->size()) return info;
    std::string_view rest = std::string_view{*text}.substr(name_end + 2);
    info.zombie = rest.front() == 'Z' || rest.front() == 'X';
    for (int field = 3; field <= 22 && !rest.empty(); ++field) {
        const auto word = rest.substr(0, rest.find(' '));
        const char* const end = word.data() + word.size();
        if (field == 4) std::from_chars(word.data(), end, info.parent);
        if (field == 6) std::from_chars(word.data(), end, info.session);
        if (field == 22) std::from_chars(word.data(), end, info.id.start);
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
    return info;
}

std::vector<ProcessInfo> descendants(pid_t root) {
    const pid_t self = ::getpid();
    if (root == 0) root = self;
    bool supported = false;
    auto found = by_children_files(root, supported);
    if (!supported) found = by_parents(root);
    std::erase_if(found, [&](const ProcessInfo& each) { return each.id.pid == self; });
    return found;
}

std::string run_mark(pid_t pid) {
    return variable_of(pid, "REEVE_RUN");
}

std::string variable_of(pid_t pid, std::string_view name) {
    const auto text = read_whole(proc(pid, "/environ"));
    if (!text) return {};
    std::string_view rest = *text;
    while (!rest.empty()) {
        const auto variable = rest.substr(0, rest.find('\0'));
        if (variable.substr(0, name.size()) == name && variable.substr(name.size(), 1) == "=") {
            return std::string{variable.substr(name.size() + 1)};
        }
        rest.remove_prefix(std::min(rest.size(), variable.size() + 1));
    }
    return {};
}

bool is_in_exec(pid_t pid) {
    const auto arguments = read_whole(proc(pid, "/cmdline"));
    return arguments && arguments->empty();
}

bool in_cgroup(pid_t pid, std::string_view path) {
    auto text = read_whole(proc(pid, "/cgroup"));
    if (!text && !is_no_process(errno)) text = read_whole(proc(pid, "/cgroup"));  // a second try
    if (!text) return false;
    const auto own = v2_path(*text);
    return own.substr(0, path.size()) == path &&
           (own.size() == path.size() || own[path.size()] == '/');
}

bool has_proc() {
    return ::access("/proc/self/stat", R_OK) == 0;
}

bool send_signal(const ProcessId& process, int signal) {
    if (process.start == 0) return process.pid > 1 && ::kill(-process.pid, signal) == 0;
    const posix::Fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))};
    if (!pidfd || process_info(process.pid).id != process) return false;
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace reeve::os
