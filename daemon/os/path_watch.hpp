// Tells when a path comes to exist or goes: inotify on the nearest existing folder, re-armed as
// folders come and go. For gates and for kinds `path`. A path on a mount that hangs is told when
// the mount answers; all others at once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/os/loop.hpp"

namespace reeve::os {

class PathWatch {
public:
    using Changed = std::function<void(const std::string& path, bool exists)>;
    PathWatch(Loop& loop, Changed changed);
    ~PathWatch();
    PathWatch(const PathWatch&) = delete;
    PathWatch& operator=(const PathWatch&) = delete;

    // Counted: watched until as many remove(). Tells soon (for each add(), from the loop), then on
    // each change. Symbolic links are followed; a dangling one does not exist.
    void add(const std::string& path);
    void remove(const std::string& path);
    // For threads: it may block.
    static bool exists(const std::string& path) noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace reeve::os
