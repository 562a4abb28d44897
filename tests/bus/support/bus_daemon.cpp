#include "tests/bus/support/bus_daemon.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "tests/bus/support/client.hpp"

extern char** environ;

namespace reeve::bus::test {

BusDaemon::BusDaemon() {
    std::ofstream{folder_ / "config"} << R"(<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>)" << address() << R"(</listen>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
)";
}

BusDaemon::~BusDaemon() {
    if (pid_ > 0) kill();
}

void BusDaemon::start() {
    const std::string config = "--config-file=" + (folder_ / "config");
    const char* argv[] = {"dbus-daemon", config.c_str(), "--nofork", "--nopidfile", nullptr};
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    // It complains that it cannot raise its limit of descriptors.
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int error =
        ::posix_spawnp(&pid_, argv[0], &files, nullptr, const_cast<char**>(argv), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0) throw std::system_error{error, std::generic_category(), "dbus-daemon"};
    const bool answers = eventually([&] {
        try {
            const Client client{address(), true};
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    });
    if (!answers) throw std::runtime_error{"dbus-daemon does not answer"};
}

void BusDaemon::kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

void BusDaemon::freeze() {
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
}

void BusDaemon::thaw() {
    ::kill(pid_, SIGCONT);
}

std::string BusDaemon::owner(const std::string& name) const {
    const Client client{address(), true};
    sd_bus_message* reply = nullptr;
    const int result = sd_bus_call_method(client.bus(), "org.freedesktop.DBus",
                                          "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                          "GetNameOwner", nullptr, &reply, "s", name.c_str());
    const posix::MessagePtr owned{reply};
    const char* owner = "";
    if (result >= 0) sd_bus_message_read(reply, "s", &owner);
    return owner;
}

}  // namespace reeve::bus::test
