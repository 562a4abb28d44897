#include "daemon/os/path_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>

#include "daemon/os/path_events.hpp"

namespace reeve::os {

namespace {

struct Entry {
    PathEvents::Watch watch{};
    unsigned count = 0;
    unsigned untold = 0;  // add() that were not answered yet
    bool exists = false;  // as it was told last
};

}  // namespace

struct PathWatch::Impl : std::enable_shared_from_this<PathWatch::Impl> {
    Impl(Loop& on, Changed to) : changed{std::move(to)}, events{on} {}

    PathEvents::Look look_at(const std::string& path);
    void found(const std::string& path, bool exists);

    Changed changed;
    PathEvents events;
    std::map<std::string, Entry> entries;
};

PathEvents::Look PathWatch::Impl::look_at(const std::string& path) {
    return [weak = weak_from_this(), path] {
        return [weak, path, now = PathWatch::exists(path)] {
            if (const auto impl = weak.lock()) impl->found(path, now);
        };
    };
}

void PathWatch::Impl::found(const std::string& path, bool exists) {
    const auto at = entries.find(path);
    if (at == entries.end()) return;
    Entry& entry = at->second;
    const unsigned times = std::max(entry.untold, exists != entry.exists ? 1U : 0U);
    entry.untold = 0;
    entry.exists = exists;
    for (unsigned i = 0; i < times; ++i) changed(path, exists);
}

PathWatch::PathWatch(Loop& loop, Changed changed)
    : impl_{std::make_shared<Impl>(loop, std::move(changed))} {}

PathWatch::~PathWatch() = default;

void PathWatch::add(const std::string& path) {
    Entry& entry = impl_->entries[path];
    ++entry.untold;
    if (++entry.count == 1)
        entry.watch = impl_->events.watch(path, false, impl_->look_at(path));
    else
        impl_->events.look_again(entry.watch);
}

void PathWatch::remove(const std::string& path) {
    const auto found = impl_->entries.find(path);
    if (found == impl_->entries.end() || --found->second.count > 0) return;
    impl_->events.unwatch(found->second.watch);
    impl_->entries.erase(found);
}

bool PathWatch::exists(const std::string& path) noexcept {
    struct stat now {};
    return ::stat(path.c_str(), &now) == 0;
}

}  // namespace reeve::os
