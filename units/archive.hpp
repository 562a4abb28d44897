// State as bytes: integers as varints, strings and lists with their length before them. Writer and
// Reader are called alike, so one function describes both ways: `describe(archive, value)`, found
// in the namespace of the value's type. Structured bindings in it name every field, so that a field
// more does not compile until it is described.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reeve::archive {

// Eight bytes at a time, each step one-to-one: a change within eight bytes is always noticed.
// `seed`: the checksum of what comes before. In the machine's byte order.
inline std::uint64_t checksum(std::string_view bytes, std::uint64_t seed = 0) noexcept {
    std::uint64_t hash = seed ^ (bytes.size() * 0x9e3779b97f4a7c15ULL + 1);
    const auto mix = [&hash](std::uint64_t word) {
        hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
        hash ^= hash >> 32U;
    };
    std::uint64_t word = 0;
    for (; bytes.size() >= sizeof word; bytes.remove_prefix(sizeof word)) {
        std::memcpy(&word, bytes.data(), sizeof word);
        mix(word);
    }
    word = 0;
    if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
    mix(word);
    return hash;
}

template <class T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T>;

// An enumeration of one byte is a list from 0 on: `last_of(T)`, found in its namespace, says where
// it ends. A wider one is a number of its own, as that of a unit.
template <class T>
concept Listed = std::is_enum_v<T> && sizeof(T) == 1;

template <class Archive, class T>
concept Described = !Number<T> && requires(Archive & archive, T& value) {
    describe(archive, value);
};

// Of what describes both ways: `V` is `T` to be read, or `const T` to be written.
template <class V, class T>
concept Some = std::same_as<std::remove_const_t<V>, T>;

class Writer {
public:
    Writer() = default;
    // Goes on after the bytes of `begun`, and uses its memory.
    explicit Writer(std::string begun) : bytes_{std::move(begun)} {}

    template <class... Values>
    void operator()(const Values&... values) {
        (put(values), ...);
    }
    // The bytes; the writer is empty afterwards.
    std::string take() { return std::move(bytes_); }
    // The bytes with their checksum.
    std::string finish() {
        const std::uint64_t sum = checksum(bytes_);
        for (unsigned shift = 0; shift < 64; shift += 8)
            bytes_.push_back(static_cast<char>(sum >> shift));
        return take();
    }

private:
    template <Number T>
    void put(T value) {
        auto rest = static_cast<std::uint64_t>(value);
        if constexpr (std::is_signed_v<T>)
            rest = (rest << 1U) ^ (value < 0 ? ~std::uint64_t{0} : 0);  // small when near 0
        for (; rest >= 0x80; rest >>= 7U) bytes_.push_back(static_cast<char>(rest | 0x80));
        bytes_.push_back(static_cast<char>(rest));
    }
    void put(double value) { put(std::bit_cast<std::uint64_t>(value)); }
    void put(std::string_view text) {
        put(text.size());
        bytes_.append(text);
    }
    void put(const std::string& text) { put(std::string_view{text}); }
    template <class Rep, class Period>
    void put(const std::chrono::duration<Rep, Period>& time) {
        put(time.count());
    }
    template <class Clock, class Unit>
    void put(const std::chrono::time_point<Clock, Unit>& at) {
        put(at.time_since_epoch().count());
    }
    template <class T>
    void put(const std::optional<T>& value) {
        put(value.has_value());
        if (value) put(*value);
    }
    template <class T>
    requires(!Described<Writer, const std::vector<T>>) void put(const std::vector<T>& list) {
        put(list.size());
        for (const T& each : list) put(each);
    }
    template <class T, class Less>
    void put(const std::map<std::string, T, Less>& table) {
        put(table.size());
        for (const auto& [name, value] : table) {
            put(name);
            put(value);
        }
    }
    template <class T>
    requires Described<Writer, const T>
    void put(const T& value) { describe(*this, value); }
    std::string bytes_;
};

// Throws std::invalid_argument where the bytes are not what was written. What is read takes memory
// in proportion to the bytes that are there, not to what they claim.
class Reader {
public:
    // Bytes of Writer::finish().
    explicit Reader(std::string_view bytes) {
        if (bytes.size() < 8) throw std::invalid_argument{"saved state: too short"};
        rest_ = bytes.substr(0, bytes.size() - 8);
        std::uint64_t sum = 0;
        for (unsigned i = 0; i < 8; ++i)
            sum |= std::uint64_t{static_cast<unsigned char>(bytes[rest_.size() + i])} << (8 * i);
        if (sum != checksum(rest_)) throw std::invalid_argument{"saved state: damaged"};
    }
    // Bytes of Writer::take(): whoever kept them has looked whether they are whole.
    static Reader of_whole(std::string_view bytes) {
        Reader reader;
        reader.rest_ = bytes;
        return reader;
    }
    template <class... Values>
    void operator()(Values&... values) {
        (get(values), ...);
    }
    template <class T>
    T read() {
        T value{};
        get(value);
        return value;
    }
    void finish() const {
        if (!rest_.empty()) throw std::invalid_argument{"saved state: longer than it should be"};
    }

private:
    Reader() = default;

    unsigned char byte() {
        if (rest_.empty()) throw std::invalid_argument{"saved state: cut short"};
        const auto first = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return first;
    }
    template <Number T>
    void get(T& value) {
        std::uint64_t all = 0;
        for (unsigned shift = 0;; shift += 7) {
            const unsigned char next = byte();
            if (shift >= 64) throw std::invalid_argument{"saved state: no number"};
            all |= std::uint64_t{next & 0x7FU} << shift;
            if ((next & 0x80U) == 0) break;
        }
        if constexpr (std::is_signed_v<T>)
            all = (all >> 1U) ^ ((all & 1U) != 0 ? ~std::uint64_t{0} : 0);
        value = static_cast<T>(all);
        if (static_cast<std::uint64_t>(value) != all)
            throw std::invalid_argument{"saved state: a number out of range"};
        if constexpr (Listed<T>)
            if (value > last_of(value))
                throw std::invalid_argument{"saved state: not one of a list"};
    }
    void get(double& value) { value = std::bit_cast<double>(read<std::uint64_t>()); }
    void get(std::string& text) {
        const auto size = read<std::size_t>();
        if (size > rest_.size()) throw std::invalid_argument{"saved state: cut short"};
        text = rest_.substr(0, size);
        rest_.remove_prefix(size);
    }
    template <class Rep, class Period>
    void get(std::chrono::duration<Rep, Period>& time) {
        time = std::chrono::duration<Rep, Period>{read<Rep>()};
    }
    template <class Clock, class Unit>
    void get(std::chrono::time_point<Clock, Unit>& at) {
        // Of a clock that began at 0: differences fit, and so does all that core::later makes.
        const auto since = read<Unit>();
        if (since < Unit::zero()) throw std::invalid_argument{"saved state: a negative time"};
        at = std::chrono::time_point<Clock, Unit>{since};
    }
    template <class T>
    void get(std::optional<T>& value) {
        value.reset();
        if (read<bool>()) value = read<T>();
    }
    template <class T>
    requires(!Described<Reader, std::vector<T>>) void get(std::vector<T>& list) {
        const auto size = read<std::size_t>();
        if (size > rest_.size()) throw std::invalid_argument{"saved state: cut short"};
        list.clear();
        list.reserve(std::min<std::size_t>(size, 1'000));
        for (std::size_t i = 0; i < size; ++i) list.push_back(read<T>());
    }
    template <class T, class Less>
    void get(std::map<std::string, T, Less>& table) {
        table.clear();
        for (auto left = read<std::size_t>(); left > 0; --left) {
            auto name = read<std::string>();
            table.insert_or_assign(table.end(), std::move(name), read<T>());
        }
    }
    template <class T>
    requires Described<Reader, T>
    void get(T& value) {
        if (++depth_ > 100) throw std::invalid_argument{"saved state: nests too deep"};
        describe(*this, value);
        --depth_;
    }
    std::string_view rest_;
    unsigned depth_ = 0;  // deeper than anything that was written: TOML may nest 32 levels
};

}  // namespace reeve::archive
