#include "daemon/json.hpp"

#include <cstdio>

namespace reeve {

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += {'\\', c};
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
            out += escaped;
        } else {
            out.push_back(c);
        }
    }
    return out + "\"";
}

std::string json_array(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const auto& text : texts) out += (out.size() > 1 ? "," : "") + json_string(text);
    return out + "]";
}

JsonObject& JsonObject::add_raw(std::string_view key, std::string_view json) {
    if (text_.size() > 1) text_ += ",";
    text_ += json_string(key) + ":";
    text_ += json;
    return *this;
}

JsonObject& JsonObject::add(std::string_view key, std::string_view text) {
    return add_raw(key, json_string(text));
}
JsonObject& JsonObject::add(std::string_view key, const char* text) {
    return add_raw(key, json_string(text));
}
JsonObject& JsonObject::add(std::string_view key, std::uint64_t number) {
    return add_raw(key, std::to_string(number));
}
JsonObject& JsonObject::add(std::string_view key, bool truth) {
    return add_raw(key, truth ? "true" : "false");
}
JsonObject& JsonObject::add(std::string_view key, const std::vector<std::string>& texts) {
    return add_raw(key, json_array(texts));
}

}  // namespace reeve
