// Walks the way to a path, folder by folder, and has inotify watch each. It blocks where a mount
// hangs, so it is for threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

// A name in a folder that lies on the way to a path.
struct PathStep {
    int folder = -1;  // inotify's number
    std::string name;
    auto operator<=>(const PathStep&) const = default;
};

enum class WalkId : std::uint64_t {};

struct PathWalk {
    WalkId id{};
    std::string path;
    bool contents = false;  // what is written to the file is watched too
    // What it came by; also where it did not come to the end.
    std::vector<PathStep> steps;
    bool unwatched = false;  // for want of memory, or of watches, some folder on the way is not
    std::optional<WalkId> behind;  // this one hangs at a place that it had to pass
};

// The inotify instance, and where the walks stand. A walk that hangs outlives who began it, so
// threads hold this by shared_ptr. All members may be called on any thread.
class PathWalks {
public:
    PathWalks();  // throws std::system_error

    [[nodiscard]] int inotify() const noexcept { return inotify_.get(); }
    // Of several that come to one place that hangs, the first waits there and the others give up.
    void run(PathWalk& walk);
    void forget(const std::vector<int>& folders) noexcept;
    // All is watched now: what is refused after this is said again.
    void all_watched();

private:
    struct Standing {
        std::string place;
        core::TimePoint since;
    };
    using Standings = std::map<WalkId, Standing>;

    bool enter(PathWalk& walk, const std::string& place);
    void leave(WalkId walk);
    Standings::iterator find_other(WalkId walk, const std::string& place);
    int watch_folder(PathWalk& walk, const std::string& folder, bool contents);
    void complain(const std::string& folder, int error);
    bool step(PathWalk& walk, std::string& folder, std::string& rest, int& links);

    posix::Fd inotify_;
    std::mutex mutex_;
    std::condition_variable moved_;
    Standings standings_;   // guarded by mutex_, as is all below
    unsigned waiting_ = 0;  // for another to move on
    int complained_ = 0;    // of this error
};

}  // namespace reeve::os
