#include "daemon/core/ending.hpp"

#include <algorithm>
#include <cmath>

namespace reeve::core {

namespace {

// Numbers of the kernel, the same on every architecture Linux has these on.
constexpr int sig_hup = 1;
constexpr int sig_int = 2;
constexpr int sig_pipe = 13;
constexpr int sig_term = 15;

bool contains(const units::ExitStatusSet& set, const ExitStatus& status) noexcept {
    if (status.unknown) return false;
    const auto& numbers = status.signal != 0 ? set.signals : set.codes;
    const int number = status.signal != 0 ? status.signal : status.code;
    return std::ranges::find(numbers, number) != numbers.end();
}

bool is_time_out(Result result) noexcept {
    return result == Result::start_timeout || result == Result::run_timeout ||
           result == Result::stop_timeout;
}

bool is_signal(Result result) noexcept {
    return result == Result::signal || result == Result::core_dump || result == Result::oom_kill;
}

bool policy_restarts(units::Restart policy, Result result, bool clean) noexcept {
    switch (policy) {
        case units::Restart::no: return false;
        case units::Restart::always: return true;
        case units::Restart::on_success: return clean;
        case units::Restart::on_failure: return !clean;
        case units::Restart::on_abnormal:
            return !clean &&
                   (is_signal(result) || is_time_out(result) || result == Result::watchdog);
        case units::Restart::on_abort: return !clean && is_signal(result);
        case units::Restart::on_watchdog: return result == Result::watchdog;
    }
    return false;
}

}  // namespace

bool is_clean(const units::Service& service, const ExitStatus& status) noexcept {
    if (status.unknown) return false;  // nobody could tell: better started once too often
    if (contains(service.exits->success, status)) return true;
    if (status.signal == 0) return status.code == 0;
    return service.type != units::Type::oneshot &&
           (status.signal == sig_hup || status.signal == sig_int || status.signal == sig_term ||
            status.signal == sig_pipe);
}

Result result_of(const ExitStatus& status, bool oom, bool clean) noexcept {
    if (clean) return Result::success;
    if (oom) return Result::oom_kill;
    if (status.signal == 0) return Result::exit_code;
    return status.core_dumped ? Result::core_dump : Result::signal;
}

After after_own_end(const units::Service& service, Result result, bool clean,
                    const ExitStatus& status) noexcept {
    const After at_rest = clean ? After::done : After::failed;
    if (contains(service.exits->restart_prevent, status)) return at_rest;
    if (contains(service.exits->restart_force, status)) return After::backoff;
    return policy_restarts(service.restart, result, clean) ? After::backoff : at_rest;
}

Duration backoff_delay(const units::Backoff& backoff, std::uint32_t n) noexcept {
    if (backoff.first <= Duration::zero()) return Duration::zero();
    const auto max = static_cast<double>(backoff.max.count());
    auto delay = static_cast<double>(backoff.first.count());
    for (std::uint32_t i = 1; i < n && delay < max && backoff.factor > 1; ++i)
        delay *= backoff.factor;
    return delay < max ? Duration{std::llround(delay)} : backoff.max;
}

std::string describe(const ExitStatus& status) {
    if (status.unknown) return "exit status unknown";
    if (status.signal != 0) return "signal " + std::to_string(status.signal);
    return "exit code " + std::to_string(status.code);
}

}  // namespace reeve::core
