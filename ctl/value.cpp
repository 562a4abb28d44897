#include "ctl/value.hpp"

#include <utility>

namespace reeve::ctl {

Value::Value(bool value) : data_{value} {}
Value::Value(int value) : data_{std::int64_t{value}} {}
Value::Value(std::int64_t value) : data_{value} {}
Value::Value(std::uint32_t value) : data_{std::uint64_t{value}} {}
Value::Value(std::uint64_t value) : data_{value} {}
Value::Value(double value) : data_{value} {}
Value::Value(const char* value) : data_{std::string{value}} {}
Value::Value(std::string_view value) : data_{std::string{value}} {}
Value::Value(std::string value) : data_{std::move(value)} {}
Value::Value(List value) : data_{std::move(value)} {}
Value::Value(Object value) : data_{std::move(value)} {}

Value Value::list() {
    return Value{List{}};
}

Value Value::object() {
    return Value{Object{}};
}

namespace {

const Value nothing;
const Value::List no_items;
const Value::Object no_fields;

}  // namespace

Value Value::strings(const std::vector<std::string>& words) {
    List list;
    list.reserve(words.size());
    for (const auto& word : words) list.emplace_back(word);
    return Value{std::move(list)};
}

bool Value::is_text() const noexcept {
    return std::holds_alternative<std::string>(data_);
}
bool Value::is_object() const noexcept {
    return std::holds_alternative<Object>(data_);
}
bool Value::is_list() const noexcept {
    return std::holds_alternative<List>(data_);
}

bool Value::boolean() const noexcept {
    const auto* value = std::get_if<bool>(&data_);
    return value != nullptr && *value;
}

std::int64_t Value::integer() const noexcept {
    if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
    if (const auto* value = std::get_if<std::uint64_t>(&data_)) {
        return static_cast<std::int64_t>(*value);
    }
    return 0;
}

std::uint64_t Value::natural() const noexcept {
    if (const auto* value = std::get_if<std::uint64_t>(&data_)) return *value;
    if (const auto* value = std::get_if<std::int64_t>(&data_)) {
        return *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
    }
    return 0;
}

std::string_view Value::text() const noexcept {
    const auto* value = std::get_if<std::string>(&data_);
    return value != nullptr ? std::string_view{*value} : std::string_view{};
}

const Value::List& Value::items() const noexcept {
    const auto* value = std::get_if<List>(&data_);
    return value != nullptr ? *value : no_items;
}

const Value::Object& Value::fields() const noexcept {
    const auto* value = std::get_if<Object>(&data_);
    return value != nullptr ? *value : no_fields;
}

const Value& Value::operator[](std::string_view key) const noexcept {
    for (const Field& field : fields()) {
        if (field.key == key) return field.value;
    }
    return nothing;
}

const Value& Value::at(std::size_t index) const noexcept {
    return index < items().size() ? items()[index] : nothing;
}

std::vector<std::string> Value::words() const {
    std::vector<std::string> words;
    words.reserve(items().size());
    for (const Value& item : items()) words.emplace_back(item.text());
    return words;
}

Value& Value::set(std::string_view key, Value value) {
    if (is_null()) data_ = Object{};
    if (auto* fields = std::get_if<Object>(&data_)) {
        fields->push_back({std::string{key}, std::move(value)});
    }
    return *this;
}

Value& Value::add(Value value) {
    if (is_null()) data_ = List{};
    if (auto* items = std::get_if<List>(&data_)) items->push_back(std::move(value));
    return *this;
}

}  // namespace reeve::ctl
