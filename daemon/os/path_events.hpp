// Tells when something about a path may have changed, whatever part of it: one inotify instance
// for all. A folder that does not exist yet, a symbolic link that is turned, a mount are seen too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/os/loop.hpp"

namespace reeve::os {

class PathEvents {
public:
    explicit PathEvents(Loop& loop);  // opens nothing before the first watch()
    ~PathEvents();
    PathEvents(const PathEvents&) = delete;
    PathEvents& operator=(const PathEvents&) = delete;

    enum class Watch : std::uint32_t {};
    // Calls `maybe` on the loop on each change on the way to `path` (absolute), and of what it
    // names: created, moved, removed; with `contents`, written too. Look anew then: changes are
    // merged, and some change nothing. Look once after watch(), not before.
    Watch watch(const std::string& path, bool contents, std::function<void()> maybe);
    void unwatch(Watch watch);

    // Inotify watches that are held now.
    [[nodiscard]] std::size_t size() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
