#include "daemon/os/living.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "daemon/os/cgroup_dir.hpp"
#include "daemon/os/cgroup_place.hpp"
#include "daemon/os/process_tree.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

RunFolder::RunFolder(std::string_view name) : unit{name.substr(0, name.find('+'))} {
    std::uint64_t number = 0;
    if (unit.size() < name.size())
        std::from_chars(name.data() + unit.size() + 1, name.data() + name.size(), number);
    run = core::RunId{number};
}

std::map<std::string, core::UnitId, std::less<>> folders_of(const UnitNames& units) {
    std::map<std::string, core::UnitId, std::less<>> by_folder;
    for (const auto& [unit, name] : units) by_folder.emplace(escape_cgroup_name(name), unit);
    return by_folder;
}

std::vector<Living> living_in_folders(int instance, const UnitNames& units) {
    const auto by_folder = folders_of(units);
    const posix::Fd all{::openat(instance, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    std::map<core::UnitId, Living> found;
    for (const std::string& name : subfolders(all.get())) {
        CgroupDir folder = CgroupDir::open(instance, name);
        if (!folder.is_seen_populated()) continue;
        const RunFolder meant{name};
        const auto unit = by_folder.find(meant.unit);
        if (unit == by_folder.end()) {
            log::warn("what lives in the cgroup {} is of no unit: it is left alone until the end",
                      name);
            continue;
        }
        Living& living = found[unit->second];
        if (!living.pids.empty() && meant.run < living.run) continue;
        living = {unit->second, meant.run, folder.members()};
    }
    std::vector<Living> out;
    for (auto& [unit, living] : found) out.push_back(std::move(living));
    return out;
}

std::vector<Living> living_with_marks(pid_t root, const UnitNames& units) {
    std::map<std::string, core::UnitId, std::less<>> by_name;
    for (const auto& [unit, name] : units) by_name.emplace(name, unit);
    std::map<core::UnitId, Living> found;
    for (const ProcessInfo& each : descendants(root)) {
        const auto unit = by_name.find(variable_of(each.id.pid, "REEVE_UNIT"));
        if (unit == by_name.end() || each.zombie) continue;
        Living& living = found[unit->second];
        living.unit = unit->second;
        living.pids.push_back(each.id.pid);
    }
    std::vector<Living> out;
    for (auto& [unit, living] : found) out.push_back(std::move(living));
    return out;
}

std::set<std::string> names_in_folders(int instance) {
    std::set<std::string> names;
    const posix::Fd all{::openat(instance, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (const std::string& name : subfolders(all.get())) {
        const CgroupDir there = CgroupDir::open(instance, name);
        const std::vector<pid_t> pids = there ? there.members() : std::vector<pid_t>{};
        if (pids.empty()) continue;
        const std::string folder{RunFolder{name}.unit};
        const std::string said = variable_of(pids.front(), "REEVE_UNIT");
        names.insert(escape_cgroup_name(said) == folder ? said : folder);
    }
    return names;
}

std::set<std::string> names_with_marks(pid_t root) {
    std::set<std::string> names;
    for (const ProcessInfo& each : descendants(root))
        if (!each.zombie) names.insert(variable_of(each.id.pid, "REEVE_UNIT"));
    return names;
}

std::set<std::string> marks_below(pid_t root) {
    std::set<std::string> marks;
    for (const ProcessInfo& each : descendants(root))
        if (!each.zombie) marks.insert(run_mark(each.id.pid));
    marks.erase(std::string{});
    marks.erase(run_mark(::getpid()));
    return marks;
}

}  // namespace reeve::os
