// Descriptors that outlive the manager, under its keys.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "daemon/init/protocol.hpp"
#include "daemon/init/text.hpp"

namespace reeve::init {

// So far the numbers of descriptors may go; and so many stay free for the next manager's start.
constexpr int most_kept = 1 << 17, spare = 8;
constexpr uint32_t listed_at_once = 128;  // sendmsg of musl takes not much more

class Custody {
public:
    // The key of each descriptor by its number, 0: none. Pages come as they are used.
    void create() {
        keys_ = static_cast<uint64_t*>(insist("make the table of descriptors", [] {
            return ::mmap(nullptr, most_kept * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        }));
    }

    // Takes `fd` over. One that was there under the key is closed, and its number used again.
    void keep(uint64_t key, int fd) {
        const int old = key == 0 ? -1 : find(key);
        if (old >= 0 && ::dup3(fd, old, O_CLOEXEC) != -1) {
            ::close(fd);
        } else if (key == 0 || fd >= room()) {
            say("closing a descriptor ", key == 0 ? "without a key" : "too many");
            ::close(fd);
        } else {
            drop(key);
            keys_[fd] = key;
            if (fd >= end_) end_ = fd + 1;
        }
    }

    void drop(uint64_t key) {
        const int fd = key == 0 ? -1 : find(key);
        if (fd < 0) return;
        keys_[fd] = 0;
        ::close(fd);
        while (end_ > 0 && keys_[end_ - 1] == 0) --end_;
    }

    // Some of those from number `from` on; returns the number to go on from.
    int list(int from, Packet& packet, int* fds) const {
        packet.count = 0;
        for (; from < end_ && packet.count < listed_at_once; ++from) {
            if (keys_[from] == 0) continue;
            fds[packet.count] = from;
            packet.keys[packet.count++] = keys_[from];
        }
        return from;
    }

private:
    static int room() {
        rlimit limit{};
        if (::getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur > most_kept)
            return most_kept;
        return static_cast<int>(limit.rlim_cur) - spare;
    }
    int find(uint64_t key) const {
        for (int fd = 0; fd < end_; ++fd)
            if (keys_[fd] == key) return fd;
        return -1;
    }

    uint64_t* keys_ = nullptr;
    int end_ = 0;  // one past the last in use
};

}  // namespace reeve::init
