// Lines of the keeper's own log, time, and second tries. No allocation, and no write that waits.
#pragma once

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace reeve::init {

using Nanos = int64_t;  // CLOCK_MONOTONIC
constexpr Nanos second = 1'000'000'000;
constexpr Nanos millisecond = 1'000'000;
constexpr Nanos never = INT64_MAX;

inline Nanos clock_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * second + t.tv_nsec;
}

struct Part {
    const char* word = nullptr;
    int64_t number = 0;

    Part(const char* text) : word{text} {}
    Part(int64_t count) : number{count} {}
};

// A short text; what does not fit is cut off.
struct Line {
    char text[480];
    size_t length = 0;

    void add(const Part& part) {
        if (part.word == nullptr && part.number > 9) add(part.number / 10);
        const char digit[] = {static_cast<char>('0' + part.number % 10), '\0'};
        const char* from = part.word != nullptr ? part.word : digit;
        while (*from != '\0' && length < sizeof text - 2) text[length++] = *from++;
        text[length] = '\0';
    }
};

inline int log_fd = STDERR_FILENO;  // /dev/kmsg on a machine

// Nobody may fill the log through us: so many lines in each ten seconds, and then a count. A full
// pipe, or a terminal that was stopped, loses the line rather than holding up the keeper.
inline void log(Line& line) {
    constexpr int lines_each = 40;
    static Nanos since = -10 * second;
    static int lines = 0;
    const Nanos now = clock_now();
    if (now - since > 10 * second) {
        if (lines > lines_each)
            line.add(" (left out before: "), line.add(lines - lines_each), line.add(")");
        since = now, lines = 0;
    }
    pollfd room{log_fd, POLLOUT, 0};
    if (++lines > lines_each || ::poll(&room, 1, 0) != 1) return;
    line.text[line.length++] = '\n';
    if ((room.revents & POLLOUT) != 0) (void)!::write(log_fd, line.text, line.length);
}

__attribute__((noinline)) inline void say_all(const Part* parts, size_t count) {
    const int error = errno;
    Line line;
    for (size_t i = 0; i < count; ++i) line.add(parts[i]);
    log(line);
    errno = error;
}
template <class... Each>
void say(const Each&... parts) {
    const Part all[] = {"reeve-init: ", parts...};
    say_all(all, sizeof...(parts) + 1);
}

// "cannot X: why", why from errno.
template <class... Each>
void say_cannot(const Each&... parts) {
    say("cannot ", parts..., ": ", ::strerror(errno));
}

// For what the keeper cannot be without: tries until it works. As PID 1 for ever, else a while.
inline void failed_once_more(const char* what, int tries) {
    say_cannot(what);
    if (tries == 100 && ::getpid() != 1) ::_exit(1);
    ::poll(nullptr, 0, 10);
}
template <class Call>
auto insist(const char* what, Call call) {
    auto result = call();
    // -1, or MAP_FAILED: NOLINTNEXTLINE(performance-no-int-to-ptr)
    for (int tries = 1; result == decltype(result)(-1); result = call())
        failed_once_more(what, tries++);
    return result;
}

}  // namespace reeve::init
