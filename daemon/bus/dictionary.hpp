// An a{sv} argument: options, filters, definitions. Every key must be known and of its type.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace reeve::bus {

class Dictionary {
public:
    // Reads an a{sv} at the message's place. Throws Refusal (InvalidArgument) on a value of a type
    // that no option has. `what` names the argument in messages: "options".
    Dictionary(sd_bus_message* message, const char* what);

    // Takes the value of `key` out; nullopt: not there. Throws Refusal: it has another type.
    // Numbers may come in any integer type.
    std::optional<std::string> text(const char* key);
    // As text(), leaving it in; nullopt also: it is no text.
    std::optional<std::string> look(const char* key) const;
    std::optional<std::uint64_t> number(const char* key);
    std::optional<bool> flag(const char* key);
    std::optional<std::vector<std::string>> list(const char* key);
    std::optional<std::map<std::string, std::string>> table(const char* key);

    // Throws Refusal if a key is left: nobody knows it.
    void finish() const;

private:
    using Value = std::variant<std::string, std::uint64_t, bool, std::vector<std::string>,
                               std::map<std::string, std::string>>;
    template <class T>
    std::optional<T> take(const char* key, const char* type);
    Value read(sd_bus_message* message, const std::string& key, const std::string& type) const;

    const char* what_;
    std::map<std::string, Value, std::less<>> values_;
};

// Reads an "as" at the message's place.
std::vector<std::string> read_list(sd_bus_message* message);
// Reads an "s".
std::string read_text(sd_bus_message* message);

}  // namespace reeve::bus
