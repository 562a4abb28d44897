// A dbus-daemon of the test's own: started, frozen, killed.
#pragma once

#include <sys/types.h>

#include <string>

#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {

class BusDaemon {
public:
    BusDaemon();  // not started
    ~BusDaemon();
    BusDaemon(const BusDaemon&) = delete;
    BusDaemon& operator=(const BusDaemon&) = delete;

    [[nodiscard]] std::string address() const { return "unix:path=" + (folder_ / "socket"); }
    void open() const { folder_.open(); }  // its socket to other users
    void start();                          // answers when it returns
    void kill();                           // SIGKILL; its socket stays behind
    void freeze();                         // SIGSTOP
    void thaw();
    // Who owns the name; empty: nobody.
    [[nodiscard]] std::string owner(const std::string& name) const;

private:
    Folder folder_;
    pid_t pid_ = 0;
};

}  // namespace reeve::bus::test
