#include "units/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <limits>
#include <utility>

namespace reeve::units {

namespace {

struct TimeUnit {
    std::string_view name;
    std::int64_t microseconds;
};
constexpr std::array time_units{
    TimeUnit{"us", 1},
    TimeUnit{"ms", 1'000},
    TimeUnit{"s", 1'000'000},
    TimeUnit{"sec", 1'000'000},
    TimeUnit{"min", 60'000'000},
    TimeUnit{"h", 3'600'000'000},
    TimeUnit{"d", 86'400'000'000},
    TimeUnit{"w", 604'800'000'000},
};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array size_units{
    SizeUnit{"B", 1},
    SizeUnit{"KiB", 1ULL << 10U},
    SizeUnit{"MiB", 1ULL << 20U},
    SizeUnit{"GiB", 1ULL << 30U},
    SizeUnit{"TiB", 1ULL << 40U},
    SizeUnit{"kB", 1'000},
    SizeUnit{"MB", 1'000'000},
    SizeUnit{"GB", 1'000'000'000},
};

struct SignalName {
    std::string_view name;
    int number;
};
constexpr std::array signal_names{
    SignalName{"HUP", SIGHUP},       SignalName{"INT", SIGINT},   SignalName{"QUIT", SIGQUIT},
    SignalName{"ILL", SIGILL},       SignalName{"TRAP", SIGTRAP}, SignalName{"ABRT", SIGABRT},
    SignalName{"BUS", SIGBUS},       SignalName{"FPE", SIGFPE},   SignalName{"KILL", SIGKILL},
    SignalName{"USR1", SIGUSR1},     SignalName{"SEGV", SIGSEGV}, SignalName{"USR2", SIGUSR2},
    SignalName{"PIPE", SIGPIPE},     SignalName{"ALRM", SIGALRM}, SignalName{"TERM", SIGTERM},
    SignalName{"CHLD", SIGCHLD},     SignalName{"CONT", SIGCONT}, SignalName{"STOP", SIGSTOP},
    SignalName{"TSTP", SIGTSTP},     SignalName{"TTIN", SIGTTIN}, SignalName{"TTOU", SIGTTOU},
    SignalName{"URG", SIGURG},       SignalName{"XCPU", SIGXCPU}, SignalName{"XFSZ", SIGXFSZ},
    SignalName{"VTALRM", SIGVTALRM}, SignalName{"PROF", SIGPROF}, SignalName{"WINCH", SIGWINCH},
    SignalName{"IO", SIGIO},         SignalName{"PWR", SIGPWR},   SignalName{"SYS", SIGSYS},
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void skip_spaces(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
}

// The digits at the front as a number; nullopt: none, or too many.
std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

std::string_view take_word(std::string_view& text) {
    const auto end = std::ranges::find_if(
        text, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')); });
    const std::string_view word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(word.size());
    return word;
}

// ".5" in millionths; zero when there is none. nullopt: a dot without digits, or too many.
std::optional<std::int64_t> take_millionths(std::string_view& text) {
    if (!text.starts_with('.')) return 0;
    text.remove_prefix(1);
    std::int64_t part = 0;
    std::int64_t place = 1'000'000;
    while (!text.empty() && is_digit(text.front())) {
        place /= 10;
        if (place == 0) return std::nullopt;
        part += place * (text.front() - '0');
        text.remove_prefix(1);
    }
    if (place == 1'000'000) return std::nullopt;
    return part;
}

// One "1.5h" of a sum, in microseconds.
std::optional<std::int64_t> take_span(std::string_view& text) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const auto whole = take_number(text);
    if (!whole) return std::nullopt;
    const auto part = take_millionths(text);
    if (!part) return std::nullopt;
    skip_spaces(text);
    const auto* const unit = std::ranges::find(time_units, take_word(text), &TimeUnit::name);
    if (unit == time_units.end()) return std::nullopt;
    if (*whole >= static_cast<std::uint64_t>(most / unit->microseconds)) return std::nullopt;
    // A millionth of the longest unit times 10^6 stays far below 2^63.
    return static_cast<std::int64_t>(*whole) * unit->microseconds +
           *part * (unit->microseconds / 1'000'000) +
           *part * (unit->microseconds % 1'000'000) / 1'000'000;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "infinity") return infinity;
    std::int64_t sum = 0;
    skip_spaces(text);
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const auto span = take_span(text);
        if (!span || *span >= std::numeric_limits<std::int64_t>::max() - sum) return std::nullopt;
        sum += *span;
        skip_spaces(text);
    }
    return Duration{sum};
}

std::string to_string(Duration duration) {
    if (duration == infinity) return "infinity";
    if (duration <= Duration::zero()) return "0s";
    constexpr std::array<TimeUnit, 6> shown{
        TimeUnit{"d", 86'400'000'000}, TimeUnit{"h", 3'600'000'000}, TimeUnit{"min", 60'000'000},
        TimeUnit{"s", 1'000'000},      TimeUnit{"ms", 1'000},        TimeUnit{"us", 1}};
    std::string out;
    std::int64_t rest = duration.count();
    for (const auto& unit : shown) {
        if (rest < unit.microseconds) continue;
        if (!out.empty()) out += ' ';
        out.append(std::to_string(rest / unit.microseconds)).append(unit.name);
        rest %= unit.microseconds;
    }
    return out;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    skip_spaces(text);
    const auto* const unit = std::ranges::find(size_units, text, &SizeUnit::name);
    if (unit == size_units.end()) return std::nullopt;
    if (*number > std::numeric_limits<std::int64_t>::max() / unit->bytes) return std::nullopt;
    return *number * unit->bytes;
}

std::string size_word(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 4> units{"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < units.size(); ++unit) bytes /= 1024;
    return std::to_string(bytes).append(units[unit]);
}

std::optional<int> parse_signal(std::string_view text) {
    if (text.starts_with("SIG")) text.remove_prefix(3);
    const auto* const named = std::ranges::find(signal_names, text, &SignalName::name);
    if (named != signal_names.end()) return named->number;
    if (!text.starts_with("RTMIN")) return std::nullopt;
    text.remove_prefix(5);
    if (text.empty()) return SIGRTMIN;
    if (!text.starts_with('+')) return std::nullopt;
    text.remove_prefix(1);
    const auto offset = take_number(text);
    if (!offset || !text.empty() || std::cmp_greater(*offset, SIGRTMAX - SIGRTMIN))
        return std::nullopt;
    return SIGRTMIN + static_cast<int>(*offset);
}

std::string signal_word(int signal) {
    const auto* const named = std::ranges::find(signal_names, signal, &SignalName::number);
    if (named != signal_names.end()) return std::string{named->name};
    if (signal < SIGRTMIN || signal > SIGRTMAX) return std::to_string(signal);
    return signal == SIGRTMIN ? "RTMIN" : "RTMIN+" + std::to_string(signal - SIGRTMIN);
}

std::optional<std::uint32_t> parse_mode(std::string_view text) {
    std::uint32_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mode > 07777)
        return std::nullopt;
    return mode;
}

}  // namespace reeve::units
