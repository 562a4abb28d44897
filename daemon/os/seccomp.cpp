#include "daemon/os/seccomp.hpp"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace reeve::os {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native = AUDIT_ARCH_X86_64, compat = AUDIT_ARCH_I386;
#elif defined(__aarch64__)
constexpr std::uint32_t native = AUDIT_ARCH_AARCH64, compat = AUDIT_ARCH_ARM;
#elif defined(__arm__)
constexpr std::uint32_t native = AUDIT_ARCH_ARM, compat = AUDIT_ARCH_ARM;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t native = AUDIT_ARCH_RISCV64, compat = AUDIT_ARCH_RISCV64;
#else
constexpr std::uint32_t native = 0, compat = 0;
#endif

#ifdef SYS_fork
constexpr std::uint32_t nr_fork = SYS_fork, nr_vfork = SYS_vfork;
#else
constexpr std::uint32_t nr_fork = ~0U, nr_vfork = ~0U;  // of an architecture with clone alone
#endif

// The 32-bit halves of x86 and ARM happen to number these alike.
constexpr std::uint32_t compat_fork = 2, compat_vfork = 190, compat_clone = 120;
constexpr std::uint32_t nr_clone3 = 435;           // everywhere
constexpr std::uint32_t without_x32 = 0x3fffffff;  // x32 sets bit 30 in the number

constexpr sock_filter load(std::size_t offset) {
    return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
}
constexpr sock_filter jump_if_equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
}
constexpr sock_filter give(std::uint32_t result) {
    return {BPF_RET | BPF_K, 0, 0, result};
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
constexpr std::size_t low_half = 4;
#else
constexpr std::size_t low_half = 0;
#endif

// Places in the filter, and the distance to them, which is what a jump carries.
enum Place { at_native = 4, at_compat = 9, at_clone3 = 13, at_clone = 15, refuse = 17, allow = 18 };
constexpr std::uint8_t from(int here, Place to) {
    return static_cast<std::uint8_t>(to - here - 1);
}

std::array<sock_filter, 19> filter{{
    load(offsetof(seccomp_data, arch)),
    jump_if_equal(native, from(1, at_native), 0),
    jump_if_equal(compat, from(2, at_compat), 0),
    give(SECCOMP_RET_ALLOW),  // this kernel knows no third
    // at_native
    load(offsetof(seccomp_data, nr)),
    {BPF_ALU | BPF_AND | BPF_K, 0, 0, without_x32},
    jump_if_equal(nr_fork, from(6, refuse), 0),
    jump_if_equal(nr_vfork, from(7, refuse), 0),
    jump_if_equal(SYS_clone, from(8, at_clone), from(8, at_clone3)),
    // at_compat
    load(offsetof(seccomp_data, nr)),
    jump_if_equal(compat_fork, from(10, refuse), 0),
    jump_if_equal(compat_vfork, from(11, refuse), 0),
    jump_if_equal(compat_clone, from(12, at_clone), 0),
    // at_clone3
    jump_if_equal(nr_clone3, 0, from(13, allow)),
    give(SECCOMP_RET_ERRNO | ENOSYS),
    // at_clone: the flags are the first argument
    load(offsetof(seccomp_data, args) + low_half),
    {BPF_JMP | BPF_JSET | BPF_K, from(16, allow), from(16, refuse), CLONE_THREAD},
    // refuse, allow
    give(SECCOMP_RET_ERRNO | EPERM),
    give(SECCOMP_RET_ALLOW),
}};

}  // namespace

const sock_fprog* no_new_processes() noexcept {
    static sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return native == 0 ? nullptr : &program;
}

}  // namespace reeve::os
