// Who may do what (docs/interfaces.md, Access). Decides by ids; asks nobody.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/bus/account_files.hpp"
#include "units/unit_file.hpp"

namespace reeve::bus {

// Who calls, as the kernel or the message bus says.
struct Credentials {
    uid_t uid = static_cast<uid_t>(-1);
    pid_t pid = 0;              // 0: unknown
    std::vector<gid_t> groups;  // primary and supplementary
};

// Of the process at the other end of a connected Unix socket. Throws std::system_error.
Credentials peer_credentials(int socket);

class Access {
public:
    // system: groups reeve and adm count; else only root and the owner. accounts: "/etc".
    Access(bool system, uid_t owner, std::string accounts);

    void reload();  // reads the account files again

    // Of the manager as a whole: isolate, apply, run, events, shutdown.
    [[nodiscard]] bool may_control(const Credentials& caller) const;
    // Of one unit: also whom its `[access] control` names. nullptr: the unit has no definition.
    [[nodiscard]] bool may_control(const Credentials& caller, const units::UnitFile* unit) const;
    // Commands, environment, logs.
    [[nodiscard]] bool may_read(const Credentials& caller) const;
    [[nodiscard]] bool may_read(const Credentials& caller, const units::UnitFile* unit) const;
    // Root alone, if the manager has the rights: a transient unit as another user.
    [[nodiscard]] bool may_become_others(const Credentials& caller) const;

    [[nodiscard]] uid_t owner() const noexcept { return owner_; }
    [[nodiscard]] const AccountFiles& accounts() const noexcept { return accounts_; }

private:
    [[nodiscard]] bool in_group(const Credentials& caller, const char* group) const;
    [[nodiscard]] bool named(const Credentials& caller, const std::string& entry) const;

    bool system_;
    uid_t owner_;
    std::string directory_;
    AccountFiles accounts_;
};

}  // namespace reeve::bus
