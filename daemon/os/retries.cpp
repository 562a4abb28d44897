#include "daemon/os/retries.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"

namespace reeve::os {

using posix::check_sd;

namespace {

constexpr std::uint64_t accuracy = 10'000;  // µs

}  // namespace

Retries::Retries(sd_event* loop) {
    sd_event_source* source = nullptr;
    check_sd(sd_event_add_time(
                 loop, &source, CLOCK_MONOTONIC, UINT64_MAX, accuracy,
                 [](sd_event_source*, std::uint64_t, void* self) {
                     return posix::guarded("retries",
                                           [&] { static_cast<Retries*>(self)->ask_all(); });
                 },
                 this),
             "add timer");
    timer_.reset(source);
    check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "add timer");
}

void Retries::add(Attempt attempt) {
    attempts_.push_back(std::move(attempt));
    if (asking_ || attempts_.size() > 1) return;
    pause_ = first_pause;
    arm();
}

void Retries::arm() {
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(pause_);
    check_sd(
        sd_event_source_set_time_relative(timer_.get(), static_cast<std::uint64_t>(pause.count())),
        "set timer");
    check_sd(sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT), "arm timer");
}

void Retries::ask_all() {
    asking_ = true;
    std::vector<Attempt> left;
    for (Attempt& attempt : std::exchange(attempts_, {})) {
        bool done = false;
        posix::guarded("again", [&] { done = attempt(); });
        if (!done) left.push_back(std::move(attempt));
    }
    asking_ = false;
    attempts_.insert(attempts_.begin(), std::make_move_iterator(left.begin()),
                     std::make_move_iterator(left.end()));
    if (attempts_.empty()) return;
    pause_ = std::min(pause_ * 2, longest_pause);
    arm();
}

}  // namespace reeve::os
