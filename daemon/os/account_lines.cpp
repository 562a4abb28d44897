#include "daemon/os/account_lines.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

namespace reeve::os {

namespace {

constexpr std::size_t longest_name = 256;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == text.npos) return parts;
        text.remove_prefix(end + 1);
    }
}

// A home with a tab in it is not worth an escape.
std::string plain(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c == '\t' || c == '\n'; }, '?');
    return text;
}

}  // namespace

bool is_account_name(std::string_view name) noexcept {
    return name.size() <= longest_name && std::ranges::none_of(name, [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == ':' || c == '\x7f';
           });
}

std::optional<std::uint32_t> account_number(std::string_view text) noexcept {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (value == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return value;
}

std::string to_line(const AccountQuery& query) {
    std::string line = query.user;
    line.append("\t").append(query.group).append("\n");
    return line;
}

std::string to_line(const AccountAnswer& answer) {
    const Account& account = answer.account;
    std::string line = answer.query.user;
    line.append("\t").append(answer.query.group).append("\t").append(answer.unknown);
    line.append("\t").append(std::to_string(account.identity.uid));
    line.append("\t").append(std::to_string(account.identity.gid)).append("\t");
    for (const gid_t group : account.identity.groups)
        line.append(std::to_string(group)).append(",");
    for (const std::string& text : {account.name, account.home, account.shell})
        line.append("\t").append(plain(text));
    return line.append("\n");
}

std::optional<AccountQuery> parse_account_query(std::string_view line) {
    const auto parts = split(line, '\t');
    if (parts.size() != 2 || !is_account_name(parts[0]) || !is_account_name(parts[1]))
        return std::nullopt;
    return AccountQuery{std::string{parts[0]}, std::string{parts[1]}};
}

std::optional<AccountAnswer> parse_account_answer(std::string_view line) {
    const auto parts = split(line, '\t');
    if (parts.size() != 9) return std::nullopt;
    AccountAnswer answer;
    answer.query = {std::string{parts[0]}, std::string{parts[1]}};
    answer.unknown = parts[2];
    const auto uid = account_number(parts[3]);
    const auto gid = account_number(parts[4]);
    if (!uid || !gid) return std::nullopt;
    answer.account.identity = {*uid, *gid, {}};
    for (const std::string_view part : split(parts[5], ',')) {
        if (part.empty()) continue;
        const auto group = account_number(part);
        if (!group) return std::nullopt;
        answer.account.identity.groups.push_back(*group);
    }
    answer.account.name = parts[6];
    answer.account.home = parts[7];
    answer.account.shell = parts[8];
    return answer;
}

}  // namespace reeve::os
