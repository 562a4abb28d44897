// A FUSE file system that never answers, until end(). Made first and destroyed last: whoever
// touches it hangs.
#pragma once

#include <fcntl.h>
#include <sys/mount.h>

#include <string>

#include "hal/posix/fd.hpp"

namespace reeve::os {

class HungMount {
public:
    explicit HungMount(const std::string& folder)
        : folder_{folder}, fuse_{::open("/dev/fuse", O_RDWR | O_CLOEXEC)} {
        const std::string options =
            "fd=" + std::to_string(fuse_.get()) + ",rootmode=40000,user_id=0,group_id=0";
        if (fuse_ && ::mount("hung", folder.c_str(), "fuse", 0, options.c_str()) != 0) fuse_ = {};
    }
    ~HungMount() { end(); }
    HungMount(const HungMount&) = delete;
    HungMount& operator=(const HungMount&) = delete;

    // False: there is none.
    explicit operator bool() const { return bool{fuse_}; }
    void end() {
        if (!fuse_) return;
        fuse_ = {};  // whoever hangs gets an error now
        ::umount2(folder_.c_str(), MNT_DETACH);
    }

private:
    std::string folder_;
    posix::Fd fuse_;
};

}  // namespace reeve::os
