#include "daemon/os/helper.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>

namespace reeve::os {

namespace {

constexpr std::size_t child_stack = 32 * 1024;

struct Order {
    char* const* words;
    char* const* environment;
    int input, output;
    pid_t parent;
    int error = 0;  // of the child
};

// As stdin or stdout; one that is there already loses its close-on-exec.
bool put(int fd, int as) noexcept {
    return fd == as ? ::fcntl(fd, F_SETFD, 0) != -1 : ::dup2(fd, as) != -1;
}

// In the child, which shares our memory, all signals blocked: nothing but system calls.
int become(void* argument) noexcept {
    auto& order = *static_cast<Order*>(argument);
    sigset_t none;
    ::sigemptyset(&none);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    const bool is_ready = ::setpgid(0, 0) != -1 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) != -1 &&
                          put(order.input, STDIN_FILENO) && put(order.output, STDOUT_FILENO) &&
                          ::sigprocmask(SIG_SETMASK, &none, nullptr) != -1;
    if (is_ready && ::getppid() != order.parent) ::_exit(127);  // it died before it could count
    if (is_ready) ::execve(order.words[0], order.words, order.environment);
    order.error = errno;
    ::_exit(127);
}

// posix_spawn cannot ask for the signal at the parent's death.
pid_t start(Order& order) {
    const auto stack = std::make_unique<std::byte[]>(child_stack);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    constexpr int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;  // back when it executes, or has ended
    const pid_t pid = ::clone(become, stack.get() + child_stack, flags, &order);
    if (pid == -1) order.error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid > 0 && order.error != 0) ::waitpid(pid, nullptr, 0);
    return pid;
}

}  // namespace

pid_t spawn_helper(const std::vector<std::string>& command, int input, int output) {
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* environment[] = {path, nullptr};
    Order order{argv.data(), environment, input, output, ::getpid()};
    const pid_t pid = start(order);
    if (order.error != 0)
        throw std::system_error{order.error, std::generic_category(), "start " + command.front()};
    return pid;
}

}  // namespace reeve::os
