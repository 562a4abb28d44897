// Users and groups by name, looked up outside the loop: NSS may hang. A short-lived helper process
// asks, with a deadline; answers are cached until refresh().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/os/children.hpp"
#include "daemon/os/loop.hpp"

namespace reeve::os {

struct Account {
    SpawnPlan::Identity identity;
    std::string name, home, shell;
};

class Accounts {
public:
    // Calls back on the loop when an answer has come that find() had not.
    Accounts(Loop& loop, std::function<void()> changed);
    ~Accounts();
    Accounts(const Accounts&) = delete;
    Accounts& operator=(const Accounts&) = delete;

    // The account of `user` and `group` (either may be empty or a number); nullptr: not known yet,
    // or unknown, and then `why` says which ("user imu: unknown", "user imu: being looked up").
    const Account* find(const std::string& user, const std::string& group, std::string& why);
    void refresh();  // forget what is cached: `apply`

    // The helper itself: `reeved --look-up-accounts`; reads names from stdin, answers on stdout.
    static int helper_main();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
