// Tells when something about a path may have changed, whatever part of it: one inotify instance
// for all. A folder that does not exist yet, a symbolic link that is turned, a mount are seen too.
// Paths are touched on threads alone (Worker), so that a mount that hangs holds up nobody else.
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
    ~PathEvents();                    // waits for nobody: a look that hangs is left behind
    PathEvents(const PathEvents&) = delete;
    PathEvents& operator=(const PathEvents&) = delete;

    enum class Watch : std::uint32_t {};
    // Runs on a thread, and may block. What it returns is run on the loop, unless unwatch() came
    // first.
    using Look = std::function<std::function<void()>()>;
    // Calls `look` soon, then after each change on the way to `path` (absolute), and of what it
    // names: created, moved, removed; with `contents`, written too. Changes are merged, and some
    // change nothing. The looks of one watch never run side by side; no change falls between the
    // last look and what is told next.
    Watch watch(const std::string& path, bool contents, Look look);  // throws std::system_error
    void look_again(Watch watch);
    void unwatch(Watch watch);

    // Inotify watches that are held now.
    [[nodiscard]] std::size_t size() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace reeve::os
