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
    std::shared_ptr<Shared> shared_;
};

}  // namespace reeve
