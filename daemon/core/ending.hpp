// What the end of a run means: clean or not, and whether the unit starts again (semantics §6).
#pragma once

#include <cstdint>
#include <string>

#include "daemon/core/types.hpp"
#include "units/unit_file.hpp"

namespace reeve::core {

// Exit 0; HUP, INT, TERM, PIPE except for oneshot; success-exit-status.
bool is_clean(const units::Service& service, const ExitStatus& status) noexcept;

Result result_of(const ExitStatus& status, bool oom, bool clean) noexcept;

// What follows an end that nobody asked for. `status` is the main process's, if it ended.
enum class After : std::uint8_t { backoff, done, failed };
After after_own_end(const units::Service& service, Result result, bool clean,
                    const ExitStatus& status) noexcept;

// The delay after the n-th end in a row, n ≥ 1: min(first × factor^(n−1), max).
Duration backoff_delay(const units::Backoff& backoff, std::uint32_t n) noexcept;

std::string describe(const ExitStatus& status);  // "exit code 3", "signal 9"

}  // namespace reeve::core
