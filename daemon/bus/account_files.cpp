#include "daemon/bus/account_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "hal/posix/log.hpp"
#include "hal/posix/read_file.hpp"

namespace reeve::bus {

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (true) {
        const auto end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

// None when there is no such file.
std::vector<std::string> lines_of(const std::string& path) {
    const auto text = posix::read_whole(path);
    if (!text && errno != ENOENT)
        log::warn("bus: cannot read {}: {}; who is named there has no access", path,
                  std::strerror(errno));
    return split(text.value_or(""), '\n');
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
    return value;
}

}  // namespace

AccountFiles::AccountFiles(const std::string& directory) {
    for (const auto& line : lines_of(directory + "/passwd")) {
        const auto fields = split(line, ':');  // name:password:uid:gid:…
        if (fields.size() < 4) continue;
        const auto uid = number(fields[2]);
        const auto gid = number(fields[3]);
        if (uid && gid) users_.emplace(fields[0], User{*uid, *gid});
    }
    for (const auto& line : lines_of(directory + "/group")) {
        const auto fields = split(line, ':');  // name:password:gid:member,member
        if (fields.size() < 4) continue;
        if (const auto gid = number(fields[2])) {
            groups_.emplace(fields[0], Group{*gid, split(fields[3], ',')});
        }
    }
}

std::optional<uid_t> AccountFiles::user(std::string_view name) const {
    if (const auto found = users_.find(name); found != users_.end()) return found->second.uid;
    return number(name);
}

std::optional<gid_t> AccountFiles::group(std::string_view name) const {
    if (const auto found = groups_.find(name); found != groups_.end()) return found->second.gid;
    return number(name);
}

std::vector<gid_t> AccountFiles::groups_of(uid_t uid) const {
    std::vector<gid_t> all;
    for (const auto& [name, user] : users_) {
        if (user.uid != uid) continue;
        all.push_back(user.gid);
        for (const auto& [_, group] : groups_) {
            if (std::ranges::count(group.members, name) != 0) all.push_back(group.gid);
        }
    }
    return all;
}

}  // namespace reeve::bus
