// The floor: a single thread that starts N programs by vfork and exec, and no more.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: bare_loop PROGRAM N\n", stderr);
        return 2;
    }
    const int count = std::atoi(argv[2]);
    std::vector<pid_t> pids;
    pids.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        const std::string name = "s" + std::to_string(i);
        const pid_t pid = ::vfork();
        if (pid == 0) {
            ::execl(argv[1], argv[1], name.c_str(), static_cast<char*>(nullptr));
            ::_exit(127);
        }
        pids.push_back(pid);
    }
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids) ::waitpid(pid, nullptr, 0);
    return 0;
}
