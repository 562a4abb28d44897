// Runs a program and makes chosen system calls of its own threads fail, once each.
//
//   failcall CONTROL REPORT PROGRAM [ARGUMENT…]
//
// CONTROL has lines "SITE ERRNO N": the N-th call at SITE returns -ERRNO. REPORT is appended to:
//   site SITE           reached for the first time since the control file was read
//   failed SITE ERRNO   a fault was injected
//   armed               the control file was read
// SIGUSR1 to the tracer (TracerPid in the program's /proc/PID/status) reads CONTROL anew.
//
// A site is CALL[:KIND]@OFFSET: the call, and the innermost return address into the program.
//
// The program keeps the pid that failcall had; the tracer is a process beside it. It traces threads
// alone, by PTRACE_SYSCALL: a filter (seccomp) would be inherited by the program's children, and a
// call that it sends to a tracer fails in whoever has none. Children are not touched.
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/support/failcall/calls.hpp"
#include "tests/support/failcall/program_text.hpp"
#include "tests/support/failcall/registers.hpp"

namespace reeve::failcall {

namespace {

struct Fault {
    int error = 0;
    unsigned calls = 0;  // until it happens
};

class Tracer {
public:
    Tracer(pid_t program, std::string control, const std::string& report)
        : program_{program},
          control_{std::move(control)},
          report_{::open(report.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)} {
        if (report_ == -1) throw std::runtime_error{"cannot open " + report};
        read_control();
    }

    void attach() {
        const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
        if (::ptrace(PTRACE_SEIZE, program_, nullptr, options) == -1)
            throw std::runtime_error{std::string{"cannot trace: "} + std::strerror(errno)};
        ::ptrace(PTRACE_INTERRUPT, program_, nullptr, nullptr);
    }

    // Until the last thread is gone.
    void follow() {
        sigset_t wanted;
        ::sigemptyset(&wanted);
        ::sigaddset(&wanted, SIGCHLD);
        ::sigaddset(&wanted, SIGUSR1);
        for (;;) {
            int status = 0;
            const pid_t thread = ::waitpid(-1, &status, __WALL | WNOHANG);
            if (thread == -1) return;
            if (thread > 0) {
                if (WIFSTOPPED(status)) stopped(thread, status);
            } else if (::sigwaitinfo(&wanted, nullptr) == SIGUSR1) {
                read_control();
            }
        }
    }

private:
    void read_control() {
        faults_.clear();
        seen_.clear();
        std::ifstream file{control_};
        std::string site;
        for (Fault fault; file >> site >> fault.error >> fault.calls;) faults_[site] = fault;
        say("armed");
    }

    void say(const std::string& line) const {
        const std::string text = line + "\n";
        if (::write(report_, text.data(), text.size()) == -1) std::abort();
    }

    void stopped(pid_t thread, int status) {
        const int signal = WSTOPSIG(status);
        const int event = status >> 16;
        long deliver = 0;
        if (event == PTRACE_EVENT_EXEC) {
            text_.emplace(program_);
        } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
            ::ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);  // stopped by a signal: stays so
            return;
        } else if (signal == (SIGTRAP | 0x80)) {
            at_call(thread);
        } else if (event == 0) {
            deliver = signal;
        }
        ::ptrace(PTRACE_SYSCALL, thread, nullptr, deliver);
    }

    void at_call(pid_t thread) {
        __ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            const int error = fault_of(thread, info);
            if (error == 0) return;
            failing_[thread] = error;
            if (!is_carried_out(info.entry.nr)) skip_call(thread);
        } else if (const auto found = failing_.find(thread); found != failing_.end()) {
            set_result(thread, -found->second);
            failing_.erase(found);
        }
    }

    // 0: none is wanted here.
    int fault_of(pid_t thread, const __ptrace_syscall_info& info) {
        if (!text_) return 0;
        Call call{info.entry.nr, {}};
        std::memcpy(call.arguments, info.entry.args, sizeof call.arguments);
        const auto name = describe(call, thread);
        if (!name || text_->is_of_sanitizer(thread, info.instruction_pointer, info.stack_pointer))
            return 0;
        const auto caller = text_->caller(thread, info.stack_pointer);
        if (!caller) return 0;
        std::ostringstream text;
        text << *name << "@0x" << std::hex << *caller;
        const std::string site = text.str();
        if (seen_.insert(site).second) say("site " + site);
        const auto fault = faults_.find(site);
        if (fault == faults_.end() || --fault->second.calls > 0) return 0;
        const int error = fault->second.error;
        faults_.erase(fault);
        say("failed " + site + " " + std::to_string(error));
        return error;
    }

    pid_t program_;
    std::string control_;
    int report_;
    std::optional<ProgramText> text_;
    std::map<std::string, Fault> faults_;
    std::set<std::string> seen_;
    std::map<pid_t, int> failing_;  // the error to tell at the end of the call
};

// What the program inherited is its own: who waits for its end is not to wait for ours.
void close_others(int kept) {
    ::close_range(3, static_cast<unsigned>(kept) - 1, 0);
    ::close_range(static_cast<unsigned>(kept) + 1, ~0U, 0);
}

[[noreturn]] void trace(pid_t program, char** argv, int ready) {
    sigset_t both;
    ::sigemptyset(&both);
    ::sigaddset(&both, SIGCHLD);
    ::sigaddset(&both, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &both, nullptr);
    ::setsid();
    close_others(ready);
    try {
        Tracer tracer{program, argv[1], argv[2]};
        tracer.attach();
        if (::write(ready, "+", 1) != 1) std::_Exit(1);
        ::close(ready);
        tracer.follow();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "failcall: %s\n", e.what());
        std::_Exit(1);
    }
    std::_Exit(0);
}

}  // namespace

}  // namespace reeve::failcall

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: failcall CONTROL REPORT PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    const pid_t self = ::getpid();
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) == -1) return 1;
    const pid_t between = ::fork();
    if (between == 0) {  // ends at once, so that the program has no child that it does not know
        ::close(ready[0]);
        if (::fork() == 0) reeve::failcall::trace(self, argv, ready[1]);
        std::_Exit(0);
    }
    ::close(ready[1]);
    ::waitpid(between, nullptr, 0);
    char byte = 0;
    if (::read(ready[0], &byte, 1) != 1) return 1;
    ::execv(argv[3], argv + 3);
    std::perror(argv[3]);
    return 1;
}
