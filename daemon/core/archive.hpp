// State as bytes: integers as varints, strings and lists with their length before them, a checksum
// over the whole. Writer and Reader are called alike, so one function describes both ways.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace reeve::core {

inline std::uint64_t checksum(std::string_view bytes) noexcept {  // FNV-1a
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char byte : bytes)
        hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    return hash;
}

template <class T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T>;

class Writer {
public:
    template <class... Values>
    void operator()(const Values&... values) {
        (put(values), ...);
    }
    // The bytes with their checksum; the writer is empty afterwards.
    std::string finish() {
        const std::uint64_t sum = checksum(bytes_);
        for (unsigned shift = 0; shift < 64; shift += 8)
            bytes_.push_back(static_cast<char>(sum >> shift));
        return std::move(bytes_);
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
    void put(std::string_view text) {
        put(text.size());
        bytes_.append(text);
    }
    void put(const std::string& text) { put(std::string_view{text}); }
    template <class Clock, class Unit>
    void put(const std::chrono::time_point<Clock, Unit>& at) {
        put(at.time_since_epoch().count());
    }
    template <class T>
    void put(const std::vector<T>& list) {
        put(list.size());
        for (const T& each : list) put(each);
    }
    std::string bytes_;
};

// Throws std::invalid_argument where the bytes are not what was written.
class Reader {
public:
    explicit Reader(std::string_view bytes) {
        if (bytes.size() < 8) throw std::invalid_argument{"saved state: too short"};
        rest_ = bytes.substr(0, bytes.size() - 8);
        std::uint64_t sum = 0;
        for (unsigned i = 0; i < 8; ++i)
            sum |= std::uint64_t{static_cast<unsigned char>(bytes[rest_.size() + i])} << (8 * i);
        if (sum != checksum(rest_)) throw std::invalid_argument{"saved state: damaged"};
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
            if (shift < 64) all |= std::uint64_t{next & 0x7FU} << shift;
            if ((next & 0x80U) == 0) break;
        }
        if constexpr (std::is_signed_v<T>)
            all = (all >> 1U) ^ ((all & 1U) != 0 ? ~std::uint64_t{0} : 0);
        value = static_cast<T>(all);
    }
    void get(std::string& text) {
        const auto size = read<std::size_t>();
        if (size > rest_.size()) throw std::invalid_argument{"saved state: cut short"};
        text = rest_.substr(0, size);
        rest_.remove_prefix(size);
    }
    template <class Clock, class Unit>
    void get(std::chrono::time_point<Clock, Unit>& at) {
        at = std::chrono::time_point<Clock, Unit>{Unit{read<typename Unit::rep>()}};
    }
    template <class T>
    void get(std::vector<T>& list) {
        const auto size = read<std::size_t>();
        if (size > rest_.size()) throw std::invalid_argument{"saved state: cut short"};
        list.resize(size);
        for (T& each : list) get(each);
    }
    std::string_view rest_;
};

}  // namespace reeve::core
