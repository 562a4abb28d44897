// The smallest service there is: says who it is and when it began, then waits for a signal.
// Static and without the standard library, so that what is measured is the supervisor.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const char* fifo = std::getenv("BEACON_FIFO");
    if (argc < 2 || !fifo) return 2;
    char line[200];
    const int length =
        std::snprintf(line, sizeof line, "%s %d %lld\n", argv[1], ::getpid(),
                      static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec);
    const int fd = ::open(fifo, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ::write(fd, line, static_cast<std::size_t>(length)) != length) return 1;
    ::close(fd);
    for (;;) ::pause();
}
