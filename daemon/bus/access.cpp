#include "daemon/bus/access.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "hal/posix/check.hpp"

namespace reeve::bus {

namespace {

std::vector<gid_t> supplementary_groups(int socket) {
    std::vector<gid_t> groups(32);
    while (true) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
            groups.resize(size / sizeof(gid_t));
            return groups;
        }
        if (errno != ERANGE) return {};  // the kernel has no such option: primary group alone
        groups.resize(size / sizeof(gid_t));
    }
}

}  // namespace

Credentials peer_credentials(int socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    posix::check(::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size), "SO_PEERCRED");
    Credentials caller{peer.uid, peer.pid, supplementary_groups(socket)};
    caller.groups.insert(caller.groups.begin(), peer.gid);
    return caller;
}

Access::Access(bool system, uid_t owner, std::string accounts)
    : system_{system}, owner_{owner}, directory_{std::move(accounts)}, accounts_{directory_} {}

void Access::reload() {
    accounts_ = AccountFiles{directory_};
}

bool Access::in_group(const Credentials& caller, const char* group) const {
    const auto gid = accounts_.group(group);
    return gid && std::ranges::count(caller.groups, *gid) != 0;
}

bool Access::named(const Credentials& caller, const std::string& entry) const {
    const auto colon = entry.find(':');
    if (colon == std::string::npos) return false;
    const auto name = std::string_view{entry}.substr(colon + 1);
    if (entry.starts_with("user:")) return accounts_.user(name) == caller.uid;
    const auto gid = accounts_.group(name);
    return entry.starts_with("group:") && gid && std::ranges::count(caller.groups, *gid) != 0;
}

bool Access::may_control(const Credentials& caller) const {
    return caller.uid == 0 || caller.uid == owner_ || (system_ && in_group(caller, "reeve"));
}

bool Access::may_control(const Credentials& caller, const units::UnitFile* unit) const {
    if (may_control(caller)) return true;
    return unit != nullptr && std::ranges::any_of(unit->control, [&](const std::string& entry) {
               return named(caller, entry);
           });
}

bool Access::may_read(const Credentials& caller) const {
    return may_control(caller) || (system_ && in_group(caller, "adm"));
}

bool Access::may_read(const Credentials& caller, const units::UnitFile* unit) const {
    if (may_read(caller)) return true;
    if (unit == nullptr || unit->service == nullptr) return false;
    const std::string& user = unit->service->surroundings->user;
    return !user.empty() && accounts_.user(user) == caller.uid;
}

bool Access::may_become_others(const Credentials& caller) const {
    return caller.uid == 0 && owner_ == 0;
}

}  // namespace reeve::bus
