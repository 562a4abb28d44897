#include "daemon/os/instance_cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "daemon/os/cgroup_dir.hpp"
#include "daemon/os/cgroup_place.hpp"
#include "daemon/os/clone_probe.hpp"
#include "daemon/os/proc_file.hpp"
#include "daemon/os/retries.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

// With the memory controller the kernel counts who was killed for want of memory. Where it is not
// delegated to us, such an end is an end by signal 9.
void count_oom_kills(int folder) {
    const auto controllers = read_at(folder, "cgroup.controllers");
    if (!controllers || controllers->find("memory") == std::string::npos) return;
    const posix::Fd control{::openat(folder, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC)};
    if (control) (void)!::write(control.get(), "+memory", 7);
}

constexpr std::string_view of_instances = "reeve-";

std::optional<CgroupPlace> place_of_ours() {
    const auto mounts = read_whole("/proc/self/mountinfo");
    const auto own = read_whole("/proc/self/cgroup");
    return mounts && own ? own_cgroup(*mounts, *own) : std::nullopt;
}

// A number is used again after a while, but hardly ever by another of us.
bool is_one_of_us(std::string_view pid) {
    const auto name = read_whole("/proc/" + std::string{pid} + "/comm");
    return name && name->starts_with("reeve");
}

}  // namespace

std::string orphaned_instance(const std::string& family) {
    std::string found;
    const auto place = place_of_ours();
    if (!place) return found;
    const std::string prefix = std::string{of_instances} + family + "-";
    const posix::Fd parent{::open(place->folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!parent) return found;
    for (const std::string& name : subfolders(parent.get())) {
        if (!name.starts_with(prefix) || is_one_of_us(name.substr(prefix.size()))) continue;
        if (!CgroupDir::open(parent.get(), name).is_seen_populated()) continue;
        if (found.empty())
            found = name.substr(of_instances.size());
        else
            log::warn("what lives in {}/{} is left alone", place->folder, name);
    }
    return found;
}

InstanceCgroup InstanceCgroup::none(std::string reason) {
    InstanceCgroup none;
    none.why_none_ = std::move(reason);
    return none;
}

InstanceCgroup InstanceCgroup::make(const std::string& instance) {
    std::string mounts, own;
    for (auto [path, text] :
         {std::pair{"/proc/self/mountinfo", &mounts}, {"/proc/self/cgroup", &own}}) {
        auto read = read_whole(path);
        if (!read) return none(std::string{"cannot read "} + path + ": " + std::strerror(errno));
        *text = std::move(*read);
    }
    const auto place = own_cgroup(mounts, own);
    if (!place) return none("no cgroup v2 is mounted");

    InstanceCgroup made;
    made.name_ = std::string{of_instances} + escape_cgroup_name(instance);
    made.folder_ = place->folder + "/" + made.name_;
    made.path_ = place->path + "/" + made.name_;
    made.parent_ = posix::Fd{::open(place->folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!made.parent_) return none("cannot open " + place->folder + ": " + std::strerror(errno));
    try {
        CgroupDir dir{made.parent_.get(), made.name_};
        made.dir_ = posix::Fd{posix::check(::fcntl(dir.get(), F_DUPFD_CLOEXEC, 3),
                                           "keep a descriptor of the cgroup")};
    } catch (const std::system_error& e) {
        remove_cgroup(made.parent_.get(), made.name_);
        const int error = e.code().value();
        if (is_shortage(error) || error == EIO)
            log::warn("cannot {}: units are held by process groups", e.what());
        return none(std::string{"cannot "} + e.what());
    }
    if (::faccessat(made.dir_.get(), "cgroup.procs", W_OK, 0) == -1) {
        return none(made.folder_ + " is not ours to use: " + std::strerror(errno));
    }
    count_oom_kills(made.dir_.get());
    return made;
}

InstanceCgroup::~InstanceCgroup() {
    if (dir_) remove_cgroup(parent_.get(), name_);
}

bool InstanceCgroup::can_bear() const noexcept {
    constexpr auto scratch = "_probe";  // no unit's, see escape_cgroup_name()
    if (::mkdirat(dir_.get(), scratch, 0755) == -1) return true;
    bool can = true;
    {
        const posix::Fd folder{::openat(dir_.get(), scratch, O_PATH | O_DIRECTORY | O_CLOEXEC)};
        can = !folder || can_be_born_in(folder.get());
    }
    ::unlinkat(dir_.get(), scratch, AT_REMOVEDIR);
    return can;
}

std::string InstanceCgroup::describe() const {
    if (dir_) return "cgroups in " + folder_;
    return "process groups (" + why_none_ + ")";
}

}  // namespace reeve::os
