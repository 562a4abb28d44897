#include "tests/support/failcall/registers.hpp"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

namespace reeve::failcall {

namespace {

using Registers = user_regs_struct;

template <class Change>
void change(pid_t thread, Change&& with) {
    Registers registers{};
    iovec where{&registers, sizeof registers};
    if (::ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &where) == -1) return;
    with(registers);
    ::ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &where);
}

}  // namespace

void skip_call(pid_t thread) {
#if defined(__x86_64__)
    change(thread, [](Registers& r) { r.orig_rax = ~0ULL; });
#elif defined(__aarch64__)
    int none = -1;
    iovec where{&none, sizeof none};
    ::ptrace(PTRACE_SETREGSET, thread, 0x404 /* NT_ARM_SYSTEM_CALL */, &where);
#endif
}

void set_result(pid_t thread, long result) {
#if defined(__x86_64__)
    change(thread, [&](Registers& r) { r.rax = static_cast<unsigned long long>(result); });
#elif defined(__aarch64__)
    change(thread, [&](Registers& r) { r.regs[0] = static_cast<unsigned long long>(result); });
#endif
}

}  // namespace reeve::failcall
