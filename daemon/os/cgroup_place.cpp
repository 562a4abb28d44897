#include "daemon/os/cgroup_place.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

namespace reeve::os {

namespace {

constexpr std::size_t longest_name = 200;  // NAME_MAX is 255; room for a suffix

std::string_view cut(std::string_view& rest, char at) {
    const auto end = rest.find(at);
    const auto part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return part;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                     (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

struct Mount {
    std::string root;
    std::string point;
};

// "ID PARENT MAJ:MIN ROOT POINT OPTIONS [OPTIONAL…] - TYPE SOURCE SUPER"
std::optional<Mount> cgroup2_mount(std::string_view line) {
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos) return std::nullopt;
    std::string_view tail = line.substr(dash + 3);
    if (cut(tail, ' ') != "cgroup2") return std::nullopt;
    for (int i = 0; i < 3; ++i) cut(line, ' ');
    const auto root = cut(line, ' ');
    return Mount{unescape(root), unescape(cut(line, ' '))};
}

std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    return hash;
}

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '@' || c == ':';
}

// The kernel's own files in a folder of cgroups: "memory.max".
bool may_be_a_control_file(std::string_view name) {
    constexpr std::string_view controllers[] = {"cgroup",  "cpu",  "cpuset", "dmem",
                                                "hugetlb", "io",   "irq",    "memory",
                                                "misc",    "pids", "rdma"};
    return std::find(std::begin(controllers), std::end(controllers),
                     name.substr(0, name.find('.'))) != std::end(controllers);
}

}  // namespace

std::string_view v2_path(std::string_view proc_cgroup) {
    while (!proc_cgroup.empty()) {
        const auto line = cut(proc_cgroup, '\n');
        if (line.substr(0, 3) == "0::") return line.substr(3);
    }
    return {};
}

std::optional<CgroupPlace> own_cgroup(std::string_view mountinfo, std::string_view proc_cgroup) {
    const std::string path{v2_path(proc_cgroup)};
    if (path.empty() || path.substr(0, 3) == "/..") return std::nullopt;
    while (!mountinfo.empty()) {
        const auto mount = cgroup2_mount(cut(mountinfo, '\n'));
        if (!mount) continue;
        const std::string root = mount->root == "/" ? "" : mount->root;
        const bool inside = path.substr(0, root.size()) == root &&
                            (path.size() == root.size() || path[root.size()] == '/');
        if (!inside) continue;
        std::string below = path.substr(root.size());
        if (below == "/") below.clear();
        return CgroupPlace{mount->point + below, path == "/" ? "" : path};
    }
    return std::nullopt;
}

std::string escape_cgroup_name(std::string_view name) {
    std::string out;
    if (name.empty() || name.front() == '_' || may_be_a_control_file(name)) out += '_';
    for (const char c : name) {
        const bool hidden = c == '.' && out.empty();
        if (is_plain(c) && !hidden) {
            out += c;
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    if (out.size() > longest_name) {
        out.resize(longest_name);
        out += fmt::format("-{:016x}", fnv1a(name));
    }
    return out;
}

}  // namespace reeve::os
