// The folder of this instance in the delegated cgroup, in which the units have theirs.
#pragma once

#include <string>

#include "hal/posix/fd.hpp"

namespace reeve::os {

// The instance `<family>-PID` whose folder is beside where ours would be, in which something lives
// though its first process, PID, is gone; empty: none. Of several the rest is named in the log.
std::string orphaned_instance(const std::string& family);

class InstanceCgroup {
public:
    // Makes `<own cgroup>/reeve-<instance>`; none() with the reason where that cannot be.
    static InstanceCgroup make(const std::string& instance);
    static InstanceCgroup none(std::string reason);

    InstanceCgroup(InstanceCgroup&&) noexcept = default;
    InstanceCgroup& operator=(InstanceCgroup&&) noexcept = default;
    ~InstanceCgroup();  // removes the folder and all below that is empty

    explicit operator bool() const noexcept { return static_cast<bool>(dir_); }
    [[nodiscard]] int get() const noexcept { return dir_.get(); }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }  // as in /proc
    void abandon() noexcept { dir_ = {}; }  // it stays there; not used any more
    [[nodiscard]] std::string describe() const;
    // Children can be born in folders made here; tries it. See clone_probe.hpp.
    [[nodiscard]] bool can_bear() const noexcept;

private:
    InstanceCgroup() = default;

    posix::Fd parent_, dir_;
    std::string name_, folder_, path_;
    std::string why_none_;
};

}  // namespace reeve::os
