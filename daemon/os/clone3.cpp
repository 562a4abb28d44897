#include "daemon/os/clone3.hpp"

#include <sys/syscall.h>

#include <cerrno>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

#if defined(__x86_64__) && defined(__LP64__)

// rdi args, rsi size, rdx entry, rcx argument. The kernel destroys rcx and r11.
asm(R"(
    .text
    .type reeve_clone3, @function
    .globl reeve_clone3
    .hidden reeve_clone3
reeve_clone3:
    .cfi_startproc
    movq %rcx, %r8
    movl $435, %eax
    syscall
    testl %eax, %eax
    jz 1f
    ret
1:  .cfi_undefined %rip
    xorl %ebp, %ebp
    movq %r8, %rdi
    call *%rdx
    hlt
    .cfi_endproc
    .size reeve_clone3, . - reeve_clone3
)");
#define REEVE_HAS_CLONE3 1

#elif defined(__aarch64__)

// x0 args, x1 size, x2 entry, x3 argument.
asm(R"(
    .text
    .type reeve_clone3, @function
    .globl reeve_clone3
    .hidden reeve_clone3
reeve_clone3:
    .cfi_startproc
    mov x8, #435
    svc #0
    cbz x0, 1f
    ret
1:  .cfi_undefined x30
    mov x29, #0
    mov x30, #0
    mov x0, x3
    blr x2
    brk #1
    .cfi_endproc
    .size reeve_clone3, . - reeve_clone3
)");
#define REEVE_HAS_CLONE3 1

#endif

#ifdef REEVE_HAS_CLONE3
extern "C" long reeve_clone3(const clone_args* args, unsigned long size, void (*entry)(void*),
                             void* argument) noexcept;
#endif

namespace reeve::os {

pid_t clone3_into([[maybe_unused]] const clone_args& args, [[maybe_unused]] void (*entry)(void*),
                  [[maybe_unused]] void* argument) noexcept {
#ifdef REEVE_HAS_CLONE3
    return static_cast<pid_t>(reeve_clone3(&args, sizeof args, entry, argument));
#else
    return -ENOSYS;
#endif
}

}  // namespace reeve::os
