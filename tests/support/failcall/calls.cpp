#include "tests/support/failcall/calls.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

namespace reeve::failcall {

namespace {

enum class Kind { plain, opens, controls, watches, transfers, transfers_with_flags };

struct Known {
    long number;
    const char* name;
    Kind kind = Kind::plain;
    unsigned flags_at = 0;  // the argument with MSG_DONTWAIT, or the flags of open
};

constexpr Known known[] = {
#ifdef SYS_open
    {SYS_open, "open", Kind::opens, 1},
    {SYS_mkdir, "mkdir"},
    {SYS_rmdir, "rmdir"},
    {SYS_unlink, "unlink"},
    {SYS_rename, "rename"},
    {SYS_stat, "stat"},
    {SYS_lstat, "lstat"},
    {SYS_access, "access"},
    {SYS_readlink, "readlink"},
    {SYS_chmod, "chmod"},
    {SYS_dup2, "dup2"},
    {SYS_poll, "poll"},
    {SYS_epoll_wait, "epoll_wait"},
    {SYS_fork, "fork"},
    {SYS_vfork, "vfork"},
#endif
    {SYS_openat, "openat", Kind::opens, 2},
    {SYS_mkdirat, "mkdirat"},
    {SYS_unlinkat, "unlinkat"},
    {SYS_renameat2, "renameat2"},
    {SYS_newfstatat, "newfstatat"},
    {SYS_fstat, "fstat"},
    {SYS_statx, "statx"},
    {SYS_faccessat, "faccessat"},
#ifdef SYS_faccessat2
    {SYS_faccessat2, "faccessat2"},
#endif
    {SYS_readlinkat, "readlinkat"},
    {SYS_fchmod, "fchmod"},
    {SYS_fchmodat, "fchmodat"},
    {SYS_fchown, "fchown"},
    {SYS_fchownat, "fchownat"},
    {SYS_getdents64, "getdents64"},
    {SYS_ftruncate, "ftruncate"},
    {SYS_fallocate, "fallocate"},
    {SYS_lseek, "lseek"},
    {SYS_close, "close"},
    {SYS_dup, "dup"},
    {SYS_dup3, "dup3"},
    {SYS_fcntl, "fcntl", Kind::controls},
    {SYS_pipe2, "pipe2"},
    {SYS_socket, "socket"},
    {SYS_socketpair, "socketpair"},
    {SYS_bind, "bind"},
    {SYS_listen, "listen"},
    {SYS_connect, "connect"},
    {SYS_accept4, "accept4", Kind::transfers},
    {SYS_epoll_create1, "epoll_create1"},
    {SYS_epoll_ctl, "epoll_ctl", Kind::watches},
    {SYS_epoll_pwait, "epoll_pwait"},
    {SYS_ppoll, "ppoll"},
    {SYS_eventfd2, "eventfd2"},
    {SYS_signalfd4, "signalfd4"},
    {SYS_timerfd_create, "timerfd_create"},
    {SYS_inotify_init1, "inotify_init1"},
    {SYS_inotify_add_watch, "inotify_add_watch"},
    {SYS_memfd_create, "memfd_create"},
#ifdef SYS_pidfd_open
    {SYS_pidfd_open, "pidfd_open"},
#endif
    {SYS_clone, "clone"},
#ifdef SYS_clone3
    {SYS_clone3, "clone3"},
#endif
    {SYS_waitid, "waitid"},
    {SYS_wait4, "wait4"},
    {SYS_mmap, "mmap"},
    {SYS_mremap, "mremap"},
    {SYS_mprotect, "mprotect"},
    {SYS_read, "read", Kind::transfers},
    {SYS_pread64, "pread64", Kind::transfers},
    {SYS_readv, "readv", Kind::transfers},
    {SYS_write, "write", Kind::transfers},
    {SYS_pwrite64, "pwrite64", Kind::transfers},
    {SYS_writev, "writev", Kind::transfers},
    {SYS_splice, "splice", Kind::transfers},
    {SYS_recvfrom, "recvfrom", Kind::transfers_with_flags, 3},
    {SYS_recvmsg, "recvmsg", Kind::transfers_with_flags, 2},
    {SYS_sendto, "sendto", Kind::transfers_with_flags, 3},
    {SYS_sendmsg, "sendmsg", Kind::transfers_with_flags, 2},
};

bool is_nonblocking(pid_t thread, int fd) {
    std::ifstream info{"/proc/" + std::to_string(thread) + "/fdinfo/" + std::to_string(fd)};
    std::string word;
    while (info >> word) {
        if (word != "flags:") continue;
        info >> word;
        return (std::stoul(word, nullptr, 8) & O_NONBLOCK) != 0;
    }
    return false;
}

std::string file_kind(pid_t thread, int fd) {
    char path[64], target[256];
    std::snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(thread), fd);
    const ssize_t length = ::readlink(path, target, sizeof target);
    const std::string_view found{target, static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
    const auto begins = [&](std::string_view with) { return found.substr(0, with.size()) == with; };
    if (begins("pipe:")) return "pipe";
    if (begins("socket:")) return "socket";
    if (begins("anon_inode:")) return "anon";
    if (begins("/memfd:")) return "memfd";
    if (begins("/dev/")) return "device";
    return begins("/") ? "file" : "none";
}

}  // namespace

std::optional<std::string> describe(const Call& call, pid_t thread) {
    const auto* const found = std::find_if(std::begin(known), std::end(known), [&](const Known& k) {
        return k.number == static_cast<long>(call.number);
    });
    if (found == std::end(known)) return std::nullopt;
    const std::string name = found->name;
    const auto fd = static_cast<int>(call.arguments[0]);
    const std::uint64_t flags = call.arguments[found->flags_at];
    const bool dont_wait = found->kind == Kind::transfers_with_flags && (flags & MSG_DONTWAIT) != 0;
    switch (found->kind) {
        case Kind::plain: return name;
        case Kind::opens: return (flags & O_CREAT) != 0 ? name + ":creat" : name;
        case Kind::controls:
            if (call.arguments[1] != F_DUPFD && call.arguments[1] != F_DUPFD_CLOEXEC)
                return std::nullopt;
            return name + ":dup";
        case Kind::watches:  // to ask for other events, or to forget a descriptor, needs nothing
            if (call.arguments[1] != EPOLL_CTL_ADD) return std::nullopt;
            return name;
        case Kind::transfers:
        case Kind::transfers_with_flags:
            return name + ":" + file_kind(thread, fd) +
                   (dont_wait || is_nonblocking(thread, fd) ? "-nb" : "");
    }
    return std::nullopt;
}

bool is_carried_out(std::uint64_t number) noexcept {
    return number == SYS_close;
}

}  // namespace reeve::failcall
