// Users and groups of /etc/passwd and /etc/group, read without NSS: libc's look-ups may block the
// loop, and access must not depend on a directory server that hangs. Local accounts only.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::bus {

class AccountFiles {
public:
    // Reads DIRECTORY/passwd and DIRECTORY/group; a file that cannot be read counts as empty.
    explicit AccountFiles(const std::string& directory);

    // The id of a name or of a number in digits; nullopt: unknown.
    [[nodiscard]] std::optional<uid_t> user(std::string_view name) const;
    [[nodiscard]] std::optional<gid_t> group(std::string_view name) const;
    // The groups of the user: the one of passwd and those that list it.
    [[nodiscard]] std::vector<gid_t> groups_of(uid_t user) const;

private:
    struct User {
        uid_t uid = 0;
        gid_t gid = 0;
    };
    struct Group {
        gid_t gid = 0;
        std::vector<std::string> members;
    };
    std::map<std::string, User, std::less<>> users_;
    std::map<std::string, Group, std::less<>> groups_;
};

}  // namespace reeve::bus
