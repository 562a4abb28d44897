#include "daemon/bus/signal_names.hpp"

#include <charconv>
#include <csignal>
#include <cstring>

namespace reeve::bus {

namespace {

std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

}  // namespace

std::optional<int> signal_number(std::string_view name) {
    if (name.starts_with("SIG")) name.remove_prefix(3);
    std::optional<int> found = number(name);
    if (name == "RTMIN") found = SIGRTMIN;
    if (name.starts_with("RTMIN+")) {
        const auto above = number(name.substr(6));
        if (above && *above >= 0 && *above <= SIGRTMAX - SIGRTMIN) found = SIGRTMIN + *above;
    }
    for (int signal = 1; !found && signal < 32; ++signal) {
        const char* abbreviation = ::sigabbrev_np(signal);
        if (abbreviation != nullptr && name == abbreviation) found = signal;
    }
    if (!found || *found < 1 || *found > SIGRTMAX) return {};
    return found;
}

}  // namespace reeve::bus
