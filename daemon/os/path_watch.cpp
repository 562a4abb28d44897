#include "daemon/os/path_watch.hpp"

#include <sys/stat.h>

#include <map>

#include "daemon/os/path_events.hpp"

namespace reeve::os {

namespace {

struct Entry {
    PathEvents::Watch watch{};
    unsigned count = 0;
    bool exists = false;  // as it was told last
};

}  // namespace

struct PathWatch::Impl : std::enable_shared_from_this<PathWatch::Impl> {
    Impl(Loop& on, Changed to) : loop{on}, changed{std::move(to)}, events{on} {}

    void look(const std::string& path);
    void tell_soon(const std::string& path);

    Loop& loop;
    Changed changed;
    PathEvents events;
    std::map<std::string, Entry> entries;
};

void PathWatch::Impl::look(const std::string& path) {
    const auto found = entries.find(path);
    if (found == entries.end()) return;
    const bool now = exists(path);
    if (now == found->second.exists) return;
    found->second.exists = now;
    changed(std::string{path}, now);
}

// Not from within add(): the caller may be in the middle of something.
void PathWatch::Impl::tell_soon(const std::string& path) {
    loop.defer([weak = weak_from_this(), path] {
        const auto impl = weak.lock();
        if (!impl) return;
        const auto found = impl->entries.find(path);
        if (found == impl->entries.end()) return;
        found->second.exists = exists(path);
        impl->changed(path, found->second.exists);
    });
}

PathWatch::PathWatch(Loop& loop, Changed changed)
    : impl_{std::make_shared<Impl>(loop, std::move(changed))} {}

PathWatch::~PathWatch() = default;

void PathWatch::add(const std::string& path) {
    Entry& entry = impl_->entries[path];
    if (++entry.count == 1) {
        entry.watch =
            impl_->events.watch(path, false, [impl = impl_.get(), path] { impl->look(path); });
        entry.exists = exists(path);
    }
    impl_->tell_soon(path);
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
