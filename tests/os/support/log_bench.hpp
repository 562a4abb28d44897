// What the tests of logs share: two units, their text without its times, what Logs itself tells.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/os/logs.hpp"
#include "hal/posix/log.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {

inline constexpr core::UnitId web{1};
inline constexpr core::UnitId db{2};

inline units::LogSpec to_file(std::uint64_t max_size = 1 << 20, std::uint32_t keep = 3) {
    units::LogSpec spec;
    spec.file = true;
    spec.max_size = max_size;
    spec.keep = keep;
    return spec;
}

inline void put(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        ASSERT_GT(n, 0);
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

inline std::string contents(const posix::Fd& fd) {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
}

// "2026-11-21T10:20:30.123456Z " at the start of a line, by its shape; its length is 28.
inline constexpr std::size_t time_length = 28;
inline bool begins_with_time(std::string_view line) {
    constexpr std::string_view shape = "0000-00-00T00:00:00.000000Z ";
    if (line.size() < shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool digit = line[i] >= '0' && line[i] <= '9';
        if (shape[i] == '0' ? !digit : line[i] != shape[i]) return false;
    }
    return true;
}

// Without the times, which every line must have: "web[7] text".
inline std::string timeless(const std::string& text) {
    std::string result;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        EXPECT_TRUE(begins_with_time(line)) << line;
        result += line.substr(std::min(time_length, line.size())) + "\n";
    }
    return result;
}

// Lines of our own that Logs wrote, while it lives.
class Told {
public:
    Told() {
        log::set_sink([this](log::Level, std::string_view line) { lines.emplace_back(line); });
    }
    ~Told() {
        log::set_sink([](log::Level, std::string_view) {});
    }
    [[nodiscard]] std::size_t count(std::string_view part) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            lines, [&](const auto& line) { return line.find(part) != line.npos; }));
    }
    std::vector<std::string> lines;
};

}  // namespace reeve::os
