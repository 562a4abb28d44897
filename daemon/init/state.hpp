// The keeper's side of the state that outlives: it makes the memfd, and stores exits.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/init/layout.hpp"
#include "daemon/init/text.hpp"

namespace reeve::init {

// Moved to where it is in nobody's way: what the manager inherits lies below.
inline int moved_up(int fd) {
    if (fd < 0) return -1;
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
    const int error = errno;
    ::close(fd);
    errno = error;
    return moved;
}

inline state::Exit exit_of(const siginfo_t& info) {
    const auto status = static_cast<unsigned>(info.si_status);
    return info.si_code == CLD_EXITED ? state::exited(status)
                                      : state::killed(status, info.si_code == CLD_DUMPED);
}

// When a process was started, in clock ticks since boot; 0: /proc does not say.
inline uint64_t start_time_of(int pid) {
    Line path;
    path.add("/proc/"), path.add(pid), path.add("/stat");
    const int fd = ::open(path.text, O_RDONLY | O_CLOEXEC);
    char text[512];
    const ssize_t got = ::read(fd, text, sizeof text - 1);
    if (got <= 0) say_cannot("look at process ", pid);
    if (fd != -1) ::close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char* field = ::strrchr(text, ')');  // the name before it may hold anything
    for (int number = 2; field != nullptr && number < 22; ++number)
        field = ::strchr(field + 1, ' ');
    uint64_t ticks = 0;
    for (const char* c = field != nullptr ? field + 1 : ""; *c >= '0' && *c <= '9'; ++c)
        ticks = ticks * 10 + static_cast<uint64_t>(*c - '0');
    return ticks;
}

class State {
public:
    int memory = -1, exits = -1;

    void create(Nanos stuck, uint64_t core_limit) {
        memory = insist("make the state", [] {
            return moved_up(::memfd_create("reeve-state", MFD_ALLOW_SEALING | MFD_CLOEXEC));
        });
        insist("size the state", [&] { return ::ftruncate(memory, state::slots_at); });
        // Whatever a manager does, what we look at stays there.
        insist("seal the state", [&] { return ::fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK); });
        base_ = static_cast<char*>(insist("map the state", [&] {
            return ::mmap(nullptr, state::mapped_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
                          0);
        }));
        header().magic = state::magic;
        header().layout = state::layout_version;
        header().keeper_pid = static_cast<uint32_t>(::getpid());
        header().kill_at = -1;
        header().stuck_limit = static_cast<uint64_t>(stuck);
        header().core_limit = core_limit;
        ::mlock(base_, state::slots_at);  // refused: then it may be swapped out
        exits = insist("make the eventfd",
                       [] { return moved_up(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); });
    }

    state::Header& header() { return *reinterpret_cast<state::Header*>(base_); }

    // Stores how a process ended that is not reaped yet.
    void store_exit(int pid, state::Exit exit) {
        if (place(pid, exit)) return;
        auto& h = header();
        const uint64_t next = __atomic_load_n(&h.next_unplaced, __ATOMIC_RELAXED);
        h.unplaced[next % state::unplaced_kept] = {pid, 0, start_time_of(pid), exit};
        __atomic_store_n(&h.next_unplaced, next + 1, __ATOMIC_RELEASE);
        place(pid, exit);  // a slot that was taken between the two looks
    }

    // False: the manager was not told; try again.
    bool poke() {
        const uint64_t one = 1;
        if (::write(exits, &one, sizeof one) == sizeof one) return true;
        say_cannot("tell the manager of an exit");
        return false;
    }

private:
    bool place(int pid, state::Exit exit) {
        auto* slots = reinterpret_cast<state::Slot*>(base_ + state::slots_at);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);  // what we stored before what we look at
        for (uint32_t i = 0, end = slots_there(); i < end; ++i) {
            state::Slot& slot = slots[i];
            const state::Use use = *static_cast<const volatile state::Use*>(&slot.use);
            const bool fits = use != state::Use::free && slot.exit == 0 &&
                              __atomic_load_n(&slot.pid, __ATOMIC_RELAXED) == pid;
            const bool may_be_older = use == state::Use::main && slot.start_time != 0;
            if (!fits || (may_be_older && slot.start_time != start_time_of(pid))) continue;
            __atomic_store_n(&slot.exit, exit, __ATOMIC_RELEASE);
            return true;
        }
        return false;
    }
    // As many as the manager says, and the file has.
    uint32_t slots_there() {
        const uint32_t said = __atomic_load_n(&header().slots, __ATOMIC_ACQUIRE);
        const off_t size =
            insist("look at the size of the state", [&] { return ::lseek(memory, 0, SEEK_END); });
        const auto fit = (static_cast<uint64_t>(size) - state::slots_at) / sizeof(state::Slot);
        const auto there = static_cast<uint32_t>(fit < state::most_slots ? fit : state::most_slots);
        return said < there ? said : there;
    }

    char* base_ = nullptr;
};

}  // namespace reeve::init
