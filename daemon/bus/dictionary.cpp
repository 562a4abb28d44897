#include "daemon/bus/dictionary.hpp"

#include "daemon/bus/refusal.hpp"
#include "hal/posix/check.hpp"

namespace reeve::bus {

using posix::check_sd;

namespace {

Refusal invalid(const std::string& text) {
    return Refusal{api::error::invalid_argument, text};
}

template <class T>
T basic(sd_bus_message* message, char type) {
    T value{};
    check_sd(sd_bus_message_read_basic(message, type, &value), "read argument");
    return value;
}

template <class Signed>
std::uint64_t not_negative(Signed value) {
    if (value < 0) throw invalid("a number is negative");
    return static_cast<std::uint64_t>(value);
}

std::map<std::string, std::string> read_table(sd_bus_message* message) {
    std::map<std::string, std::string> table;
    check_sd(sd_bus_message_enter_container(message, 'a', "{ss}"), "read table");
    const char* key = nullptr;
    const char* value = nullptr;
    while (check_sd(sd_bus_message_read(message, "{ss}", &key, &value), "read table") > 0) {
        table.insert_or_assign(key, value);
    }
    check_sd(sd_bus_message_exit_container(message), "read table");
    return table;
}

}  // namespace

std::vector<std::string> read_list(sd_bus_message* message) {
    std::vector<std::string> list;
    check_sd(sd_bus_message_enter_container(message, 'a', "s"), "read list");
    const char* item = nullptr;
    while (check_sd(sd_bus_message_read_basic(message, 's', &item), "read list") > 0) {
        list.emplace_back(item);
    }
    check_sd(sd_bus_message_exit_container(message), "read list");
    return list;
}

std::string read_text(sd_bus_message* message) {
    return basic<const char*>(message, 's');
}

Dictionary::Value Dictionary::read(sd_bus_message* message, const std::string& key,
                                   const std::string& type) const {
    if (type == "as") return read_list(message);
    if (type == "a{ss}") return read_table(message);
    switch (type.size() == 1 ? type[0] : '\0') {
        case 's': return read_text(message);
        case 'b': return basic<int>(message, 'b') != 0;
        case 'y': return std::uint64_t{basic<std::uint8_t>(message, 'y')};
        case 'n': return not_negative(basic<std::int16_t>(message, 'n'));
        case 'q': return std::uint64_t{basic<std::uint16_t>(message, 'q')};
        case 'i': return not_negative(basic<std::int32_t>(message, 'i'));
        case 'u': return std::uint64_t{basic<std::uint32_t>(message, 'u')};
        case 'x': return not_negative(basic<std::int64_t>(message, 'x'));
        case 't': return basic<std::uint64_t>(message, 't');
        default: break;
    }
    throw invalid(std::string{what_} + "." + key + ": no key has a value of type \"" + type + "\"");
}

Dictionary::Dictionary(sd_bus_message* message, const char* what) : what_{what} {
    check_sd(sd_bus_message_enter_container(message, 'a', "{sv}"), what);
    while (check_sd(sd_bus_message_enter_container(message, 'e', "sv"), what) > 0) {
        std::string key = read_text(message);
        const char* contents = nullptr;
        check_sd(sd_bus_message_peek_type(message, nullptr, &contents), what);
        const std::string type = contents;
        check_sd(sd_bus_message_enter_container(message, 'v', type.c_str()), what);
        values_.insert_or_assign(key, read(message, key, type));
        check_sd(sd_bus_message_exit_container(message), what);
        check_sd(sd_bus_message_exit_container(message), what);
    }
    check_sd(sd_bus_message_exit_container(message), what);
}

template <class T>
std::optional<T> Dictionary::take(const char* key, const char* type) {
    const auto found = values_.find(key);
    if (found == values_.end()) return {};
    T* value = std::get_if<T>(&found->second);
    if (value == nullptr) {
        throw invalid(std::string{what_} + "." + key + " must have the type " + type);
    }
    std::optional<T> taken{std::move(*value)};
    values_.erase(found);
    return taken;
}

std::optional<std::string> Dictionary::text(const char* key) {
    return take<std::string>(key, "s");
}
std::optional<std::string> Dictionary::look(const char* key) const {
    const auto found = values_.find(key);
    const auto* value = found == values_.end() ? nullptr : std::get_if<std::string>(&found->second);
    return value != nullptr ? std::optional{*value} : std::nullopt;
}
std::optional<std::uint64_t> Dictionary::number(const char* key) {
    return take<std::uint64_t>(key, "t");
}
std::optional<bool> Dictionary::flag(const char* key) {
    return take<bool>(key, "b");
}
std::optional<std::vector<std::string>> Dictionary::list(const char* key) {
    return take<std::vector<std::string>>(key, "as");
}
std::optional<std::map<std::string, std::string>> Dictionary::table(const char* key) {
    return take<std::map<std::string, std::string>>(key, "a{ss}");
}

void Dictionary::finish() const {
    if (values_.empty()) return;
    throw invalid(std::string{what_} + "." + values_.begin()->first +
                  ": there is no such key; org.reeve1.xml lists those there are");
}

}  // namespace reeve::bus
