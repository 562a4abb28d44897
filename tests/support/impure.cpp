// Calls that each rule of tests/purity.cmake forbids; never run.
#include <pwd.h>
#include <unistd.h>

#include <ctime>

long impure() {
    return static_cast<long>(time(nullptr)) + fork() + (getpwnam("root") != nullptr ? 1 : 0);
}
