#include "daemon/os/path_events.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

using posix::check;

constexpr std::uint32_t names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr std::uint32_t contents_too = names | IN_MODIFY | IN_CLOSE_WRITE;
constexpr int most_links = 40;  // as the kernel

// A name in a folder that lies on the way to a path.
struct Step {
    int folder = -1;  // inotify's number
    std::string name;
    auto operator<=>(const Step&) const = default;
};

struct Watched {
    std::string path;
    bool contents = false;
    std::function<void()> maybe;
    std::vector<Step> steps;
    bool due = false;  // to be walked and told in this turn
};

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

void leave(std::string& folder) {
    folder.erase(folder.rfind('/') == folder.npos ? 0 : folder.rfind('/'));
}

}  // namespace

struct PathEvents::Impl {
    explicit Impl(Loop& on) : loop{on} {}

    void open();
    void close();
    void walk(std::uint32_t id, Watched& watched);
    int watch_folder(const std::string& folder, bool contents);
    void forget_steps(std::uint32_t id, Watched& watched);
    void drop_unused();
    void read();
    void mark(const inotify_event& event, std::string_view name);
    void mark_all();
    void tell();

    Loop& loop;
    posix::Fd inotify;
    posix::Fd mounts;
    std::map<std::uint32_t, Watched> watches;
    std::map<Step, std::set<std::uint32_t>> users;  // which paths go through a step
    std::map<int, bool> folders;                    // watched; with contents
    std::uint32_t next = 0;
    bool complained = false;
};

void PathEvents::Impl::open() {
    if (inotify) return;
    inotify = posix::Fd{check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init")};
    loop.watch(inotify.get(), EPOLLIN, [this](std::uint32_t) { read(); });
    // Mounting over a folder is no event of inotify. Readable always: told on each change alone.
    mounts = posix::Fd{::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
    if (!mounts) return;
    loop.watch(mounts.get(), EPOLLIN | EPOLLET, [this](std::uint32_t) {
        mark_all();
        tell();
    });
}

void PathEvents::Impl::close() {
    if (inotify) loop.unwatch(inotify.get());
    if (mounts) loop.unwatch(mounts.get());
    inotify = {};
    mounts = {};
    folders.clear();
}

// -1: it cannot be watched; no right to read it, or the user's watches are used up.
int PathEvents::Impl::watch_folder(const std::string& folder, bool contents) {
    const char* const path = folder.empty() ? "/" : folder.c_str();
    const std::uint32_t mask = contents ? contents_too : names;
    const int number = ::inotify_add_watch(inotify.get(), path, mask | IN_MASK_ADD);
    if (number >= 0) {
        folders[number] |= contents;
    } else if (errno == ENOSPC && !std::exchange(complained, true)) {
        log::warn(
            "cannot watch {}: fs.inotify.max_user_watches is used up; changes of paths may "
            "go unseen",
            path);
    }
    return number;
}

// Each folder is watched before the name in it is looked at, so that no change falls in between.
void PathEvents::Impl::walk(std::uint32_t id, Watched& watched) {
    std::vector<Step> steps;
    std::string folder;  // where we are, without links; empty: the root
    std::string rest = watched.path;
    int links = 0;
    for (;;) {
        const std::string name = next_component(rest);
        if (name.empty()) break;
        if (name == ".") continue;
        if (name == "..") {
            leave(folder);
            continue;
        }
        const bool last = rest.find_first_not_of('/') == rest.npos;
        const int number = watch_folder(folder, watched.contents && last);
        if (number >= 0) steps.push_back({number, name});
        const std::string here = folder + "/" + name;
        struct stat now {};
        if (::lstat(here.c_str(), &now) != 0) break;
        if (S_ISLNK(now.st_mode)) {
            const std::string target = link_target(here);
            if (++links > most_links || target.empty()) break;
            if (target.front() == '/') folder.clear();
            rest = target + "/" + rest;
            continue;
        }
        folder = here;
        if (!S_ISDIR(now.st_mode)) break;
    }
    for (const Step& step : steps) users[step].insert(id);
    std::vector<Step> before = std::exchange(watched.steps, steps);
    for (const Step& step : before) {
        if (std::find(steps.begin(), steps.end(), step) != steps.end()) continue;
        const auto found = users.find(step);
        if (found == users.end()) continue;
        found->second.erase(id);
        if (found->second.empty()) users.erase(found);
    }
}

void PathEvents::Impl::forget_steps(std::uint32_t id, Watched& watched) {
    for (const Step& step : watched.steps) {
        const auto found = users.find(step);
        if (found == users.end()) continue;
        found->second.erase(id);
        if (found->second.empty()) users.erase(found);
    }
    watched.steps.clear();
}

// Folders that no path goes through any more.
void PathEvents::Impl::drop_unused() {
    std::erase_if(folders, [&](const auto& folder) {
        const auto used = users.lower_bound(Step{folder.first, {}});
        if (used != users.end() && used->first.folder == folder.first) return false;
        ::inotify_rm_watch(inotify.get(), folder.first);
        return true;
    });
}

void PathEvents::Impl::mark_all() {
    for (auto& [id, watched] : watches) watched.due = true;
}

void PathEvents::Impl::mark(const inotify_event& event, std::string_view name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return mark_all();
    if ((event.mask & IN_IGNORED) != 0) folders.erase(event.wd);
    const auto due = [&](const std::set<std::uint32_t>& ids) {
        for (const std::uint32_t id : ids) watches.at(id).due = true;
    };
    if (!name.empty()) {
        const auto found = users.find(Step{event.wd, std::string{name}});
        if (found != users.end()) due(found->second);
        return;
    }
    // The folder itself: whoever goes through it.
    auto step = users.lower_bound(Step{event.wd, {}});
    for (; step != users.end() && step->first.folder == event.wd; ++step) due(step->second);
}

void PathEvents::Impl::read() {
    alignas(inotify_event) std::array<char, 16384> buffer;
    const ssize_t got = ::read(inotify.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < got;) {
        inotify_event event;
        std::memcpy(&event, buffer.data() + at, sizeof event);
        const char* const name = buffer.data() + at + sizeof event;
        mark(event, event.len > 0 ? std::string_view{name} : std::string_view{});
        at += static_cast<ssize_t>(sizeof event + event.len);
    }
    tell();
}

void PathEvents::Impl::tell() {
    std::vector<std::uint32_t> due;
    for (auto& [id, watched] : watches) {
        if (!std::exchange(watched.due, false)) continue;
        walk(id, watched);
        due.push_back(id);
    }
    drop_unused();
    for (const std::uint32_t id : due) {
        const auto found = watches.find(id);  // one told before may have ended it
        if (found == watches.end()) continue;
        const auto maybe = found->second.maybe;
        maybe();
    }
}

PathEvents::PathEvents(Loop& loop) : impl_{std::make_unique<Impl>(loop)} {}

PathEvents::~PathEvents() {
    impl_->close();
}

PathEvents::Watch PathEvents::watch(const std::string& path, bool contents,
                                    std::function<void()> maybe) {
    impl_->open();
    const std::uint32_t id = ++impl_->next;
    Watched& watched = impl_->watches[id];
    watched.path = path;
    watched.contents = contents;
    watched.maybe = std::move(maybe);
    impl_->walk(id, watched);
    return Watch{id};
}

void PathEvents::unwatch(Watch watch) {
    const auto found = impl_->watches.find(static_cast<std::uint32_t>(watch));
    if (found == impl_->watches.end()) return;
    impl_->forget_steps(found->first, found->second);
    impl_->watches.erase(found);
    impl_->drop_unused();
    if (impl_->watches.empty()) impl_->close();
}

std::size_t PathEvents::size() const {
    return impl_->folders.size();
}

}  // namespace reeve::os
