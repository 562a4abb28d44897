// Users and groups by name, looked up outside the loop: NSS may hang. A short-lived helper process
// asks, with a deadline; answers are cached until refresh().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/os/children.hpp"
#include "daemon/os/loop.hpp"

namespace reeve::os {

struct Account {
    SpawnPlan::Identity identity;
    std::string name, home, shell;  // empty: there is no such entry (a number alone)
};

class Accounts {
public:
    struct Options {
        std::vector<std::string> helper = {"/proc/self/exe", "--look-up-accounts"};
        std::chrono::milliseconds deadline{5'000};  // then the helper is killed …
        std::chrono::milliseconds retry{30'000};    // … and asked again after this
    };
    // Calls back on the loop when an answer has come that find() had not.
    Accounts(Loop& loop, std::function<void()> changed);
    Accounts(Loop& loop, std::function<void()> changed, Options options);
    ~Accounts();
    Accounts(const Accounts&) = delete;
    Accounts& operator=(const Accounts&) = delete;

    // The account of `user` and `group` (either may be empty: as the manager; or a number, which
    // need not be known to anybody; the group of such a user is then of the same number). Valid
    // until refresh(). nullptr: not known yet, or unknown, and then `why` says which ("user imu:
    // unknown", "user imu: being looked up", "user imu: look-up timed out").
    const Account* find(const std::string& user, const std::string& group, std::string& why);
    void refresh();  // forget what is cached: `apply`

    // The helper itself: `reeved --look-up-accounts`; reads names from stdin, answers on stdout.
    static int helper_main();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
