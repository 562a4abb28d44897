#include "tests/journal/support/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "hal/posix/check.hpp"

namespace reeve::journal::testing {

namespace {

Faults* faults = nullptr;

// Calls `before` and says with which errno the call fails; what it does itself is not looked at.
int meddle() {
    Faults* const now = std::exchange(faults, nullptr);
    if (now == nullptr) return 0;
    if (now->before) now->before();
    const int error = now->fail ? now->fail() : 0;
    faults = now;
    return error;
}

off_t active_at(const state::Header& header, std::uint64_t at) {
    return static_cast<off_t>(state::journal_at[header.active] + at);
}

}  // namespace

Faults::Faults() {
    faults = this;
}

Faults::~Faults() {
    faults = nullptr;
}

Memory::Memory() : fd_{posix::check(::memfd_create("state", MFD_CLOEXEC), "make a memfd")} {
    posix::check(::ftruncate(fd(), state::slots_at), "size the memfd");
    void* const at = ::mmap(nullptr, state::slots_at, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
    if (at == MAP_FAILED) throw std::system_error{errno, std::generic_category(), "map the memfd"};
    header_ = static_cast<state::Header*>(at);
    header_->magic = state::magic;
    header_->layout = state::layout_version;
}

Memory::~Memory() {
    ::munmap(header_, state::slots_at);
}

std::unique_ptr<Memory> Memory::copy() const {
    auto out = std::make_unique<Memory>();
    for (off_t at = 0; (at = ::lseek(fd(), at, SEEK_DATA)) >= 0;) {
        const off_t end = ::lseek(fd(), at, SEEK_HOLE);
        std::string bytes(static_cast<std::size_t>(end - at), '\0');
        posix::check(::pread(fd(), bytes.data(), bytes.size(), at), "read the state");
        posix::check(::pwrite(out->fd(), bytes.data(), bytes.size(), at), "copy the state");
        at = end;
    }
    return out;
}

std::uint64_t Memory::bytes_in_use() const {
    struct stat file {};
    posix::check(::fstat(fd(), &file), "look at the state");
    return static_cast<std::uint64_t>(file.st_blocks) * 512;
}

char Memory::get(std::uint64_t at) const {
    char value = 0;
    posix::check(::pread(fd(), &value, 1, active_at(header(), at)), "read a byte");
    return value;
}

void Memory::put(std::uint64_t at, char value) const {
    posix::check(::pwrite(fd(), &value, 1, active_at(header(), at)), "write a byte");
}

void Memory::cut(std::uint64_t at) const {
    posix::check(::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             active_at(header(), at), 1 << 20),
                 "punch a hole");
}

}  // namespace reeve::journal::testing

extern "C" ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
    using namespace reeve::journal::testing;
    if (const int error = meddle()) {
        errno = error;
        return -1;
    }
    return ::syscall(SYS_pwrite64, fd, bytes, faults ? std::min(size, faults->most) : size, at);
}

extern "C" int fallocate(int fd, int mode, off_t at, off_t size) {
    if (const int error = reeve::journal::testing::meddle()) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fallocate, fd, mode, at, size));
}
