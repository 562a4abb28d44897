// The manager's own lines on stderr, written by a thread of its own: a terminal that is stopped or
// a pipe that nobody reads must not hold up the loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace reeve {

class ConsoleLog {
public:
    explicit ConsoleLog(int fd);  // borrowed
    ~ConsoleLog();                // writes what is left, for at most a second
    ConsoleLog(const ConsoleLog&) = delete;
    ConsoleLog& operator=(const ConsoleLog&) = delete;

    // Adds a newline. Beyond 256 KiB waiting, lines are dropped and their number is told.
    void write(std::string_view line);

    struct Shared;  // with the thread

private:
    // With the first line: a thread at the very beginning would make the growth of the table of
    // descriptors (fd_window.hpp) wait for the kernel, for 10 ms.
    void start_thread();

    std::shared_ptr<Shared> shared_;
    int fd_;
    bool started_ = false;
};

}  // namespace reeve
