// The look-up helper: the only code that asks NSS, in a process of its own that may hang.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "daemon/os/account_lines.hpp"

namespace reeve::os {

namespace {

std::vector<gid_t> groups_of(const char* user, gid_t gid) {
    std::vector<gid_t> groups(64);
    for (;;) {
        int count = static_cast<int>(groups.size());
        const bool fits = ::getgrouplist(user, gid, groups.data(), &count) >= 0;
        if (!fits && count <= static_cast<int>(groups.size())) count = count * 2 + 1;
        groups.resize(static_cast<std::size_t>(count));
        if (fits) return groups;
    }
}

// False: `unknown` says what nobody knows.
bool look_up_group(const std::string& name, gid_t& gid) {
    if (const auto number = account_number(name)) {
        gid = *number;
        return true;
    }
    const group* const found = ::getgrnam(name.c_str());
    if (found != nullptr) gid = found->gr_gid;
    return found != nullptr;
}

AccountAnswer look_up(AccountQuery query) {
    AccountAnswer answer;
    Account& account = answer.account;
    account.identity = {::getuid(), ::getgid(), {}};
    if (!query.user.empty()) {
        const auto number = account_number(query.user);
        const passwd* const found = number ? ::getpwuid(*number) : ::getpwnam(query.user.c_str());
        if (found == nullptr && !number) answer.unknown = "user " + query.user;
        if (number) account.identity = {*number, *number, {}};
        if (found != nullptr) {
            account.identity = {found->pw_uid, found->pw_gid, {}};
            account.name = found->pw_name;
            account.home = found->pw_dir;
            account.shell = found->pw_shell;
        }
    }
    if (!query.group.empty() && !look_up_group(query.group, account.identity.gid) &&
        answer.unknown.empty())
        answer.unknown = "group " + query.group;
    if (answer.unknown.empty() && !account.name.empty())
        account.identity.groups = groups_of(account.name.c_str(), account.identity.gid);
    answer.query = std::move(query);
    return answer;
}

}  // namespace

int Accounts::helper_main() {
    ::alarm(60);  // whoever hangs and is forgotten ends by itself
    std::string line;
    for (int c = std::getchar(); c != EOF; c = std::getchar()) {
        if (c != '\n') {
            line.push_back(static_cast<char>(c));
            continue;
        }
        auto query = parse_account_query(line);
        if (!query) return 1;
        const std::string answer = to_line(look_up(std::move(*query)));
        if (std::fputs(answer.c_str(), stdout) < 0 || std::fflush(stdout) != 0) return 1;
        line.clear();
    }
    return 0;
}

}  // namespace reeve::os
