#include "hal/posix/crash_point.hpp"

#ifdef REEVE_CRASH_POINTS
#include <unistd.h>

#include <atomic>
#include <csignal>

namespace reeve::posix {

namespace {

std::atomic<std::int32_t*> where{nullptr};
std::atomic<std::int32_t*> passes{nullptr};

}  // namespace

void crash_here_by(std::int32_t& at, std::int32_t& skip) noexcept {
    passes = &skip;
    where = &at;
}

// Once: whoever takes over lives.
void crash_point(CrashPoint point) {
    if (at_crash_point != nullptr) at_crash_point(point);
    std::int32_t* const at = where.load();
    if (at == nullptr || std::atomic_ref{*at}.load() != static_cast<std::int32_t>(point)) return;
    if (std::atomic_ref{*passes.load()}.fetch_sub(1) > 0) return;
    std::atomic_ref{*at}.store(-1);
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

}  // namespace reeve::posix
#endif
