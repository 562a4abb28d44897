// Parses the text of one notify datagram. Pure: no system calls, no state.
#include <charconv>

#include "daemon/os/notify_socket.hpp"

namespace reeve::os {

namespace {

using std::chrono::microseconds;

// A sender may ask for anything; beyond a century nobody waits, and sums cannot overflow.
constexpr std::uint64_t longest = 100ULL * 365 * 24 * 3600 * 1'000'000;

// The whole of `text` as a decimal number; nullopt: it is none.
template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<microseconds> duration(std::string_view text) {
    const auto value = number<std::uint64_t>(text);
    if (!value) return std::nullopt;
    return microseconds{static_cast<microseconds::rep>(std::min(*value, longest))};
}

// The length of the UTF-8 sequence at the start of `text`; 0: not a valid one.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                               : first >= 0xE0 && first < 0xF0 ? 3
                               : first >= 0xF0 && first < 0xF5 ? 4
                                                               : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    const bool too_high = first == 0xF4 && byte(1) > 0x8F;
    return overlong || surrogate || too_high ? 0 : length;
}

// STATUS goes to D-Bus, which disconnects whoever sends it invalid UTF-8.
std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        if (length == 0)
            valid += "\xEF\xBF\xBD";  // U+FFFD
        else
            valid += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return valid;
}

// Of a key that is given twice the first counts, as with systemd.
template <class T>
void set_once(std::optional<T>& target, std::optional<T> value) {
    if (!target) target = std::move(value);
}

void take(NotifyMessage& message, std::string_view key, std::string_view value) {
    if (key == "READY") message.ready |= value == "1";
    if (key == "RELOADING") message.reloading |= value == "1";
    if (key == "STOPPING") message.stopping |= value == "1";
    if (key == "BARRIER") message.barrier |= value == "1";
    if (key == "WATCHDOG") {
        message.watchdog |= value == "1";
        message.watchdog_trigger |= value == "trigger";
    }
    if (key == "STATUS") set_once(message.status, std::optional{valid_utf8(value)});
    if (key == "MAINPID") {
        const auto pid = number<pid_t>(value);
        if (pid && *pid > 0) set_once(message.main_pid, pid);
    }
    if (key == "ERRNO") {
        const auto error = number<int>(value);
        if (error && *error >= 0) set_once(message.error, error);
    }
    if (key == "EXTEND_TIMEOUT_USEC") set_once(message.extend, duration(value));
    if (key == "WATCHDOG_USEC") set_once(message.watchdog_period, duration(value));
}

}  // namespace

NotifyMessage parse_notify(std::string_view datagram) {
    NotifyMessage message;
    if (!datagram.empty() && datagram.back() == '\0') datagram.remove_suffix(1);
    while (!datagram.empty()) {
        const std::size_t end = std::min(datagram.find('\n'), datagram.size());
        const std::string_view line = datagram.substr(0, end);
        datagram.remove_prefix(std::min(end + 1, datagram.size()));
        const std::size_t equals = line.find('=');
        if (equals == line.npos || line.find('\0') != line.npos) continue;
        take(message, line.substr(0, equals), line.substr(equals + 1));
    }
    return message;
}

}  // namespace reeve::os
