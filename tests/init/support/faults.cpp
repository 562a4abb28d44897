// Linked into a build of the keeper with --wrap: the call number REEVE_FAULT_AT of all its system
// calls fails, with REEVE_FAULT_ERRNO. It is told on stderr, as "fault: NAME".
#include <cerrno>
#include <cstdlib>
#include <cstring>

// NOLINTBEGIN: the linker chose the names, and a prototype has no more than sizes
extern "C" {

long __real_write(long, long, long);

static bool fails(const char* name) {
    static int left = -1, error = ENOMEM;
    if (left == -1) {
        const char* at = std::getenv("REEVE_FAULT_AT");
        const char* what = std::getenv("REEVE_FAULT_ERRNO");
        left = at != nullptr ? std::atoi(at) : 0;
        if (what != nullptr) error = std::atoi(what);
    }
    if (left == 0 || --left != 0) return false;
    char line[64] = "fault: ";
    std::strcat(std::strcat(line, name), "\n");
    __real_write(2, reinterpret_cast<long>(line), static_cast<long>(std::strlen(line)));
    errno = error;
    return true;
}

#define WRAP(Result, name)                                               \
    Result __real_##name(long, long, long, long, long);                  \
    Result __wrap_##name(long a, long b, long c, long d, long e) {       \
        return fails(#name) ? Result(-1) : __real_##name(a, b, c, d, e); \
    }

WRAP(int, access)
WRAP(int, dup2)
WRAP(int, dup3)
WRAP(int, eventfd)
WRAP(int, execve)
WRAP(int, fcntl)
WRAP(int, _Fork)
WRAP(int, ftruncate)
WRAP(int, getrlimit)
WRAP(int, kill)
WRAP(int, memfd_create)
WRAP(int, mlock)
WRAP(int, open)
WRAP(int, poll)
WRAP(int, ppoll)
WRAP(int, prctl)
WRAP(int, prlimit)
WRAP(int, setsid)
WRAP(int, signalfd)
WRAP(int, sigprocmask)
WRAP(int, socketpair)
WRAP(int, timerfd_create)
WRAP(int, timerfd_settime)
WRAP(int, waitid)
WRAP(long, lseek)
WRAP(long, read)
WRAP(long, readlink)
WRAP(long, recvmsg)
WRAP(long, sendmsg)

// mmap has six arguments.
void* __real_mmap(long, long, long, long, long, long);
void* __wrap_mmap(long a, long b, long c, long d, long e, long f) {
    return fails("mmap") ? reinterpret_cast<void*>(-1) : __real_mmap(a, b, c, d, e, f);
}
long __wrap_write(long a, long b, long c) {
    return fails("write") ? -1 : __real_write(a, b, c);
}
}
// NOLINTEND
