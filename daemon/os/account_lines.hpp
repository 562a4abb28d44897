// What the manager and its look-up helper say to each other: a line each, fields between tabs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/os/accounts.hpp"

namespace reeve::os {

struct AccountQuery {
    std::string user, group;
    auto operator<=>(const AccountQuery&) const = default;
};

struct AccountAnswer {
    AccountQuery query;
    std::string unknown;  // "user imu": nobody knows it; empty: `account` is set
    Account account;
};

// False: not a name that anybody could have; such a one is never asked for.
bool is_account_name(std::string_view name) noexcept;
// A number that fits a uid or gid, other than the one that means "none".
std::optional<std::uint32_t> account_number(std::string_view text) noexcept;

std::string to_line(const AccountQuery& query);
std::string to_line(const AccountAnswer& answer);
// Without the newline. nullopt: not such a line.
std::optional<AccountQuery> parse_account_query(std::string_view line);
std::optional<AccountAnswer> parse_account_answer(std::string_view line);

}  // namespace reeve::os
