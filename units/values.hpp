// Values that unit files write as strings: durations, sizes, signals, modes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "units/unit_file.hpp"

namespace reeve::units {

// "100ms", "1min 30s", "1.5h", "infinity"; units us ms s sec min h d w. nullopt: none of these, or
// beyond what Duration holds.
std::optional<Duration> parse_duration(std::string_view text);
// As it could be written: "1min 30s", "infinity".
std::string to_string(Duration duration);

// "64KiB" in bytes; units B KiB MiB GiB TiB, kB MB GB.
std::optional<std::uint64_t> parse_size(std::string_view text);
// As it could be written: "1MiB", "4097B".
std::string size_word(std::uint64_t bytes);

// "TERM", "SIGTERM", "RTMIN+3" as the number on this machine.
std::optional<int> parse_signal(std::string_view text);
// The other way: "TERM"; a number that has no name stays one.
std::string signal_word(int signal);

// "0750" in octal, at most 07777.
std::optional<std::uint32_t> parse_mode(std::string_view text);

}  // namespace reeve::units
