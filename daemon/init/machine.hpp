// What PID 1 alone does: the first mounts, and the last step.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/init/protocol.hpp"
#include "daemon/init/state.hpp"
#include "daemon/init/text.hpp"

namespace reeve::init {

enum class Place { guest, container, machine };  // of a container: PID 1 of a namespace of its own

inline bool is_mounted(const char* path, const char* parent) {
    struct stat one, other;
    return ::stat(path, &one) == 0 && ::stat(parent, &other) == 0 && one.st_dev != other.st_dev;
}

inline void mount_what_is_missing() {
    constexpr struct {
        const char *path, *parent, *type, *options;
        unsigned long flags;
    } mounts[] = {
        {"/proc", "/", "proc", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"/sys", "/", "sysfs", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"/dev", "/", "devtmpfs", "mode=0755", MS_NOSUID},
        {"/run", "/", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
        {"/sys/fs/cgroup", "/sys", "cgroup2", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    };
    for (const auto& each : mounts) {
        if (is_mounted(each.path, each.parent)) continue;
        ::mkdir(each.path, 0755);  // there, or the mount tells why not
        for (int tries = 0; tries < 2; ++tries) {
            if (::mount(each.type, each.path, each.type, each.flags, each.options) == 0) break;
            say_cannot("mount ", each.path);
        }
    }
}

// The namespace of the machine's first process has a number that the kernel fixes.
inline Place place() {
    if (::getpid() != 1) return Place::guest;
    mount_what_is_missing();
    struct stat about {};
    if (::stat("/proc/self/ns/pid", &about) == 0 && about.st_ino != 0xEFFFFFFCU)
        return Place::container;
    const int messages = moved_up(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY));
    log_fd = messages >= 0 ? messages : log_fd;
    ::reboot(RB_DISABLE_CAD);  // ctrl-alt-del is SIGINT to us
    return Place::machine;
}

// Reaps until no child is left or the time is over.
inline void wait_for_all(Nanos limit) {
    for (const Nanos end = clock_now() + limit; clock_now() < end;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD) return;
        if (info.si_pid == 0) ::poll(nullptr, 0, 10);
    }
}

// The last mounted first; what is busy is made read-only. A path with a space (written \040 here)
// is left to the kernel's own end.
inline void unmount_all() {
    char text[32768];
    const int fd = ::open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t got = 0; (got = ::read(fd, text + length, sizeof text - 1 - length)) > 0;)
        length += static_cast<size_t>(got);
    while (length > 0) {
        text[--length] = '\0';  // the end of this line
        while (length > 0 && text[length - 1] != '\n') --length;
        char* path = ::strchr(text + length, ' ');
        if (path == nullptr) continue;
        ++path;
        path[::strcspn(path, " ")] = '\0';
        bool of_kernel = false;
        constexpr const char* these[] = {"/proc", "/sys", "/dev", "/run"};
        for (const char* stays : these) of_kernel |= ::strncmp(path, stays, ::strlen(stays)) == 0;
        if (of_kernel || ::umount2(path, UMOUNT_NOFOLLOW) == 0) continue;
        if (::mount(nullptr, path, nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == -1)
            say_cannot("unmount ", path);
    }
}

// Ends what is left, and then the machine.
[[noreturn]] inline void last_step(Place place, LastStep step, int code) {
    if (place == Place::guest) ::_exit(code);
    ::kill(-1, SIGTERM);
    ::kill(-1, SIGCONT);
    wait_for_all(5 * second);
    ::kill(-1, SIGKILL);
    wait_for_all(2 * second);
    ::sync();
    if (place == Place::container && step == LastStep::exit) ::_exit(code);
    if (place == Place::machine) unmount_all();
    if (step == LastStep::kexec)
        ::reboot(static_cast<int>(RB_KEXEC)), say_cannot("run the loaded kernel");
    unsigned command = step == LastStep::halt ? RB_HALT_SYSTEM : RB_POWER_OFF;
    if (step == LastStep::reboot || step == LastStep::kexec) command = RB_AUTOBOOT;
    ::reboot(static_cast<int>(command));
    say_cannot("end the machine");
    while (place == Place::machine) ::pause();
    ::_exit(code);
}

}  // namespace reeve::init
