// Just enough JSON to write reports: objects and arrays of strings, numbers and truth values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reeve {

// The text in quotes, escaped; bytes that are not UTF-8 are left as they are.
std::string json_string(std::string_view text);
std::string json_array(const std::vector<std::string>& texts);

// Builds {"key":value,…} in the order of the calls.
class JsonObject {
public:
    JsonObject& add(std::string_view key, std::string_view text);
    JsonObject& add(std::string_view key, const char* text);
    JsonObject& add(std::string_view key, std::uint64_t number);
    JsonObject& add(std::string_view key, bool truth);
    JsonObject& add(std::string_view key, const std::vector<std::string>& texts);
    JsonObject& add_raw(std::string_view key, std::string_view json);
    [[nodiscard]] std::string str() const { return text_ + "}"; }

private:
    std::string text_ = "{";
};

}  // namespace reeve
