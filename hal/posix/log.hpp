// Log lines of our own programs. A thin front of spdlog, so that one file alone includes it (it
// costs seconds to compile); formatting is {fmt}.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string_view>
#include <type_traits>

namespace reeve::log {

// fmt.cpp leaves floating-point numbers out: such a one would print nothing.
template <class... Args>
constexpr bool can_print = (!std::is_floating_point_v<std::remove_cvref_t<Args>> && ...);

enum class Level { debug, info, warn, error };

// "debug", "info", "warn", "error"; false: unknown word, nothing changed.
bool set_level(std::string_view word);
bool enabled(Level level) noexcept;

// Lines go to stderr until a sink is set; then each whole line (no newline) goes there. The sink
// must not block and must not log.
void set_sink(std::function<void(Level, std::string_view)> sink);

void write(Level level, std::string_view text) noexcept;

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    static_assert(can_print<Args...>);
    if (enabled(Level::debug))
        write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    static_assert(can_print<Args...>);
    if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
    static_assert(can_print<Args...>);
    if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    static_assert(can_print<Args...>);
    if (enabled(Level::error))
        write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace reeve::log
