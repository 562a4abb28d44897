#include "daemon/os/path_walk.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <utility>

#include "daemon/os/loop.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

constexpr std::uint32_t names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr std::uint32_t contents_too = names | IN_MODIFY | IN_CLOSE_WRITE;
constexpr int most_links = 40;                      // as the kernel
constexpr std::chrono::milliseconds patience{250};  // then a place counts as one that hangs

std::string link_target(const std::string& path) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
    return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : std::string{};
}

// Takes the first component off `rest`.
std::string next_component(std::string& rest) {
    const std::size_t begin = rest.find_first_not_of('/');
    if (begin == rest.npos) {
        rest.clear();
        return {};
    }
    const std::size_t end = std::min(rest.find('/', begin), rest.size());
    std::string name = rest.substr(begin, end - begin);
    rest.erase(0, end);
    return name;
}

void leave_folder(std::string& folder) {
    folder.erase(folder.rfind('/') == folder.npos ? 0 : folder.rfind('/'));
}

}  // namespace

PathWalks::PathWalks()
    : inotify_{posix::check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init")} {}

PathWalks::Standings::iterator PathWalks::find_other(WalkId walk, const std::string& place) {
    return std::ranges::find_if(standings_, [&](const auto& standing) {
        return standing.first != walk && standing.second.place == place;
    });
}

// False: another has stood there for too long.
bool PathWalks::enter(PathWalk& walk, const std::string& place) {
    std::unique_lock lock{mutex_};
    standings_.erase(walk.id);
    if (waiting_ > 0) moved_.notify_all();
    for (;;) {
        const auto other = find_other(walk.id, place);
        if (other == standings_.end()) break;
        if (Loop::now() - other->second.since >= patience) {
            walk.behind = other->first;
            return false;
        }
        ++waiting_;
        moved_.wait_until(lock, other->second.since + patience);
        --waiting_;
    }
    standings_[walk.id] = {place, Loop::now()};
    return true;
}

void PathWalks::leave(WalkId walk) {
    const std::lock_guard lock{mutex_};
    standings_.erase(walk);
    if (waiting_ > 0) moved_.notify_all();
}

// -1: it cannot be watched; no right to read it, or the walk is to be made again.
int PathWalks::watch_folder(PathWalk& walk, const std::string& folder, bool contents) {
    const std::uint32_t mask = contents ? contents_too : names;
    const int number = ::inotify_add_watch(inotify_.get(), folder.c_str(), mask | IN_MASK_ADD);
    if (number >= 0 || (errno != ENOSPC && errno != ENOMEM)) return number;
    walk.unwatched = true;
    complain(folder, errno);
    return number;
}

void PathWalks::complain(const std::string& folder, int error) {
    const std::lock_guard lock{mutex_};
    if (std::exchange(complained_, error) == error) return;
    log::warn("cannot watch {}: {}{}; changes of paths are looked for once a second", folder,
              std::strerror(error),
              error == ENOSPC ? " (fs.inotify.max_user_watches is used up)" : "");
}

void PathWalks::all_watched() {
    const std::lock_guard lock{mutex_};
    complained_ = 0;
}

// The folder is watched before the name in it is looked at, so that no change falls in between.
// False: the way ends here.
bool PathWalks::step(PathWalk& walk, std::string& folder, std::string& rest, int& links) {
    const std::string name = next_component(rest);
    if (name.empty()) return false;
    if (name == ".") return true;
    if (name == "..") {
        leave_folder(folder);
        return true;
    }
    const bool last = rest.find_first_not_of('/') == rest.npos;
    const std::string place = folder.empty() ? "/" : folder;
    if (!enter(walk, place)) return false;
    const int number = watch_folder(walk, place, walk.contents && last);
    if (number >= 0) walk.steps.push_back({number, name});
    const std::string here = folder + "/" + name;
    if (!enter(walk, here)) return false;
    struct stat now {};
    if (::lstat(here.c_str(), &now) != 0) return false;
    if (S_ISLNK(now.st_mode)) {
        const std::string target = link_target(here);
        if (++links > most_links || target.empty()) return false;
        if (target.front() == '/') folder.clear();
        rest = target + "/" + rest;
        return true;
    }
    folder = here;
    return S_ISDIR(now.st_mode);
}

void PathWalks::run(PathWalk& walk) {
    std::string folder;  // where we are, without links; empty: the root
    std::string rest = walk.path;
    int links = 0;
    struct Leave {
        PathWalks& walks;
        WalkId walk;
        ~Leave() { walks.leave(walk); }
    } const at_the_end{*this, walk.id};
    while (step(walk, folder, rest, links)) continue;
}

void PathWalks::forget(const std::vector<int>& folders) noexcept {
    for (const int folder : folders) ::inotify_rm_watch(inotify_.get(), folder);
}

}  // namespace reeve::os
