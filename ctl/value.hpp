// A value of any shape: what came over D-Bus, and what is printed as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reeve::ctl {

struct Field;

class Value {
public:
    using List = std::vector<Value>;
    using Object = std::vector<Field>;  // in the order they were added
    using Data = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double,
                              std::string, List, Object>;

    Value() noexcept = default;  // null
    Value(bool value);
    Value(int value);
    Value(std::int64_t value);
    Value(std::uint32_t value);
    Value(std::uint64_t value);
    Value(double value);
    Value(const char* value);
    Value(std::string_view value);
    Value(std::string value);
    Value(List value);
    Value(Object value);
    static Value strings(const std::vector<std::string>& words);
    static Value list();
    static Value object();

    [[nodiscard]] const Data& data() const noexcept { return data_; }
    [[nodiscard]] bool is_null() const noexcept { return data_.index() == 0; }
    [[nodiscard]] bool is_text() const noexcept;
    [[nodiscard]] bool is_object() const noexcept;
    [[nodiscard]] bool is_list() const noexcept;

    // Reading asks for a type and gets its zero when the value is of another one.
    [[nodiscard]] bool boolean() const noexcept;
    [[nodiscard]] std::int64_t integer() const noexcept;
    [[nodiscard]] std::uint64_t natural() const noexcept;
    [[nodiscard]] std::string_view text() const noexcept;
    [[nodiscard]] const List& items() const noexcept;
    [[nodiscard]] const Object& fields() const noexcept;
    // The field of this key, the item of this number; null when there is none.
    [[nodiscard]] const Value& operator[](std::string_view key) const noexcept;
    [[nodiscard]] const Value& at(std::size_t index) const noexcept;
    [[nodiscard]] std::vector<std::string> words() const;  // of a list of texts

    Value& set(std::string_view key, Value value);  // appends a field; makes null an object
    Value& add(Value value);                        // appends an item; makes null a list

private:
    Data data_;
};

struct Field {
    std::string key;
    Value value;
};

}  // namespace reeve::ctl
