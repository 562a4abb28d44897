#include "daemon/os/path_events.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/os/path_walk.hpp"
#include "daemon/os/worker.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

struct Watched {
    std::string path;
    bool contents = false;
    PathEvents::Look look;
    std::vector<PathStep> steps;
    bool walking = false;  // a thread is at it
    bool due = false;      // for a walk and a look; once more, where one is under way
};

// A walk on a thread, and the look after it.
struct Errand {
    PathWalk walk;
    PathEvents::Look look;
    std::function<void()> tell;
};

}  // namespace

struct PathEvents::Impl : std::enable_shared_from_this<PathEvents::Impl> {
    explicit Impl(Loop& on) : loop{on} {}

    void open();
    void close();
    void start_due();
    void start(std::uint32_t id, Watched& watched);
    void done(std::uint32_t id, Errand& errand);
    void take_steps(std::uint32_t id, Watched& watched, std::vector<PathStep> steps);
    void drop_unused();
    void read();
    void watch_mounts();
    bool try_to_watch_mounts();
    void look_again_at_unwatched();
    void lacks_nothing(std::uint32_t id);
    void mark(const inotify_event& event, std::string_view name);
    void mark_all();

    Loop& loop;
    std::shared_ptr<PathWalks> walks;
    posix::Fd mounts;
    std::map<std::uint32_t, Watched> watches;
    std::set<std::uint32_t> unwatched;  // some folder on their way: walked again and again
    bool looking_again = false;
    std::map<PathStep, std::set<std::uint32_t>> users;    // which paths go through a step
    std::set<int> folders;                                // watched
    std::map<WalkId, std::set<std::uint32_t>> under_way;  // and who waits behind each
    std::uint32_t next = 0;
    std::uint64_t next_walk = 0;
    std::optional<Worker> worker;
};

// For life: to close an inotify instance is to wait for the kernel.
void PathEvents::Impl::open() {
    if (walks) return;
    walks = std::make_shared<PathWalks>();
    worker.emplace(loop);
    loop.watch(
        walks->inotify(), EPOLLIN, [this](std::uint32_t) { read(); }, "changes of paths");
    watch_mounts();
}

void PathEvents::Impl::watch_mounts() {
    if (try_to_watch_mounts() || errno == ENOENT) return;
    log::warn("cannot watch /proc/self/mountinfo: {}; tried again until it can be",
              std::strerror(errno));
    loop.try_again([weak = weak_from_this()] {
        const auto impl = weak.lock();
        return !impl || impl->try_to_watch_mounts();
    });
}

// Mounting over a folder is no event of inotify. Readable always: told on each change alone.
bool PathEvents::Impl::try_to_watch_mounts() {
    mounts = posix::Fd{::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
    if (!mounts) return false;
    loop.watch(
        mounts.get(), EPOLLIN | EPOLLET,
        [this](std::uint32_t) {
            mark_all();
            start_due();
        },
        "mounts");
    return true;
}

void PathEvents::Impl::close() {
    if (walks) loop.unwatch(walks->inotify());
    if (mounts) loop.unwatch(mounts.get());
}

void PathEvents::Impl::start_due() {
    for (auto& [id, watched] : watches)
        if (watched.due && !watched.walking) start(id, watched);
}

void PathEvents::Impl::start(std::uint32_t id, Watched& watched) {
    watched.due = false;
    watched.walking = true;
    auto errand = std::make_shared<Errand>();
    errand->walk.id = WalkId{++next_walk};
    errand->walk.path = watched.path;
    errand->walk.contents = watched.contents;
    errand->look = watched.look;
    under_way[errand->walk.id];
    worker->submit(
        [errand, on = walks] {
            on->run(errand->walk);
            if (!errand->walk.behind) errand->tell = errand->look();
        },
        [weak = weak_from_this(), id, errand] {
            if (const auto impl = weak.lock()) impl->done(id, *errand);
        });
}

void PathEvents::Impl::done(std::uint32_t id, Errand& errand) {
    for (const PathStep& step : errand.walk.steps) folders.insert(step.folder);
    const auto ended = under_way.extract(errand.walk.id);
    for (const std::uint32_t behind : ended.mapped()) {
        const auto found = watches.find(behind);
        if (found != watches.end()) found->second.due = true;
    }
    const auto found = watches.find(id);
    if (found != watches.end()) {
        Watched& watched = found->second;
        watched.walking = false;
        take_steps(id, watched, std::move(errand.walk.steps));
        if (errand.walk.unwatched) {
            unwatched.insert(id);
            look_again_at_unwatched();
        }
        if (errand.walk.behind) {
            const auto hung = under_way.find(*errand.walk.behind);
            if (hung == under_way.end())
                watched.due = true;
            else
                hung->second.insert(id);
        }
    }
    if (found == watches.end() || !errand.walk.unwatched) lacks_nothing(id);
    drop_unused();
    start_due();
    if (found != watches.end() && errand.tell) errand.tell();
}

void PathEvents::Impl::look_again_at_unwatched() {
    if (std::exchange(looking_again, true)) return;
    loop.try_again([weak = weak_from_this()] {
        const auto impl = weak.lock();
        if (!impl) return true;
        for (const std::uint32_t id : impl->unwatched) impl->watches.at(id).due = true;
        impl->start_due();
        impl->looking_again = !impl->unwatched.empty();
        return !impl->looking_again;
    });
}

// All of its way is watched, or nobody asks about it any more.
void PathEvents::Impl::lacks_nothing(std::uint32_t id) {
    unwatched.erase(id);
    if (unwatched.empty()) walks->all_watched();
}

void PathEvents::Impl::take_steps(std::uint32_t id, Watched& watched, std::vector<PathStep> steps) {
    for (const PathStep& step : steps) users[step].insert(id);
    const std::vector<PathStep> before = std::exchange(watched.steps, std::move(steps));
    for (const PathStep& step : before) {
        if (std::ranges::find(watched.steps, step) != watched.steps.end()) continue;
        const auto found = users.find(step);
        if (found == users.end()) continue;
        found->second.erase(id);
        if (found->second.empty()) users.erase(found);
    }
}

// Folders that no path goes through any more. On a thread, since it may be the last to use an
// inode. A walk that comes by meanwhile loses nothing: IN_IGNORED follows, and it is due again.
void PathEvents::Impl::drop_unused() {
    std::vector<int> unused;
    std::erase_if(folders, [&](int folder) {
        const auto used = users.lower_bound(PathStep{folder, {}});
        if (used != users.end() && used->first.folder == folder) return false;
        unused.push_back(folder);
        return true;
    });
    if (unused.empty()) return;
    worker->submit([unused, on = walks] { on->forget(unused); }, {});
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
        const auto found = users.find(PathStep{event.wd, std::string{name}});
        if (found != users.end()) due(found->second);
        return;
    }
    // The folder itself: whoever goes through it.
    auto step = users.lower_bound(PathStep{event.wd, {}});
    for (; step != users.end() && step->first.folder == event.wd; ++step) due(step->second);
}

void PathEvents::Impl::read() {
    alignas(inotify_event) std::array<char, 16384> buffer;
    const ssize_t got = ::read(walks->inotify(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < got;) {
        inotify_event event;
        std::memcpy(&event, buffer.data() + at, sizeof event);
        const char* const name = buffer.data() + at + sizeof event;
        mark(event, event.len > 0 ? std::string_view{name} : std::string_view{});
        at += static_cast<ssize_t>(sizeof event + event.len);
    }
    // What a walk under way has come by is not known yet: any event may be about that.
    for (auto& [id, watched] : watches) watched.due = watched.due || watched.walking;
    start_due();
}

PathEvents::PathEvents(Loop& loop) : impl_{std::make_shared<Impl>(loop)} {}

PathEvents::~PathEvents() {
    impl_->close();
}

PathEvents::Watch PathEvents::watch(const std::string& path, bool contents, Look look) {
    impl_->open();
    const std::uint32_t id = ++impl_->next;
    Watched& watched = impl_->watches[id];
    watched.path = path;
    watched.contents = contents;
    watched.look = std::move(look);
    impl_->start(id, watched);
    return Watch{id};
}

void PathEvents::look_again(Watch watch) {
    const auto found = impl_->watches.find(static_cast<std::uint32_t>(watch));
    if (found == impl_->watches.end()) return;
    found->second.due = true;
    impl_->start_due();
}

void PathEvents::unwatch(Watch watch) {
    const auto found = impl_->watches.find(static_cast<std::uint32_t>(watch));
    if (found == impl_->watches.end()) return;
    impl_->take_steps(found->first, found->second, {});
    impl_->lacks_nothing(found->first);
    impl_->watches.erase(found);
    impl_->drop_unused();
}

std::size_t PathEvents::size() const {
    return impl_->folders.size();
}

}  // namespace reeve::os
