// Reconnecting. The pauses are 10 ms, 20 ms … 30 s; a name that was ours begins them anew.
#include <algorithm>

#include "daemon/api/names.hpp"
#include "daemon/bus/message_bus.hpp"
#include "daemon/bus/requests.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::bus {

using posix::check_sd;

namespace {

constexpr std::uint64_t first_pause = 10'000;
constexpr std::uint64_t longest_pause = 30'000'000;
constexpr unsigned restless_attempts = 13;  // about a minute in all

std::uint64_t pause(unsigned attempts) {
    return std::min(longest_pause, first_pause << std::min(attempts, 12U));
}

// Anything but a local socket would be resolved or spawned while the loop stands still.
std::string local(const std::string& address) {
    if (address.empty() || address.starts_with("unix:")) return address;
    log::warn("bus: {} is no local socket (unix:…); only the private socket is served", address);
    return {};
}

}  // namespace

MessageBusLink::MessageBusLink(sd_event* loop, Context& context, const std::string& address,
                               std::function<void()> named)
    : named_{std::move(named)},
      loop_{loop},
      context_{context},
      address_{local(address)},
      watch_{loop, SocketWatch::path_in(address_), [this] {
                 attempts_ = 0;
                 try_again();
             }} {
    if (address_.empty()) return;
    sd_event_source* made = nullptr;
    check_sd(sd_event_add_time(loop, &made, CLOCK_MONOTONIC, 0, 1, on_time, this),
             "timer of the bus");
    timer_.reset(made);
    check_sd(sd_event_source_set_enabled(made, SD_EVENT_OFF), "timer of the bus");
    connect();
}

void MessageBusLink::arm_timer() {
    check_sd(sd_event_source_set_time_relative(timer_.get(), pause(attempts_)), "timer of the bus");
    check_sd(sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT), "timer of the bus");
}

void MessageBusLink::reconnect() {
    if (address_.empty()) return;
    attempts_ = 0;
    said_.clear();
    let_go();
    connect();
}

void MessageBusLink::let_go() {
    if (!current_) return;
    const std::unique_ptr<MessageBus> old = std::move(current_);
    context_.requests.gone(old->id());
}

void MessageBusLink::say_no_name(const char* why) {
    if (said_ == why) return;
    said_ = why;
    log::warn("bus: cannot own {}: {}", api::bus_name, why);
}

void MessageBusLink::got_name() {
    attempts_ = 0;
    said_.clear();
    watch_.disarm();
    log::info("bus: {} is ours", api::bus_name);
    if (named_) named_();
}

void MessageBusLink::connect() {
    ++attempts_;
    watch_.arm();  // before we look, so that nothing is missed in between
    // Ids of peers count from below, so these never meet them.
    constexpr std::uint64_t first_id = std::uint64_t{1} << 63;
    try {
        current_ = std::make_unique<MessageBus>(
            context_, first_id + ++generation_, loop_, address_,
            MessageBus::News{.dropped = [this] { arm_timer(); },
                             .no_name = [this](const char* why) { say_no_name(why); },
                             .has_name = [this] { got_name(); }});
    } catch (const std::system_error& e) {
        failed(e);
    }
}

void MessageBusLink::failed(const std::system_error& error) {
    log::debug("bus: {}", error.what());
    const int why = error.code().value();
    const bool nobody_there = why == ENOENT || why == ECONNREFUSED;
    // The watch tells when somebody comes. The first tries are for one who has bound the socket
    // but does not listen yet; of that moment nothing is told.
    if (nobody_there && watch_.can_watch() && attempts_ > restless_attempts) return;
    arm_timer();
}

int MessageBusLink::on_time(sd_event_source*, std::uint64_t, void* self) noexcept {
    return posix::guarded("bus", [&] { static_cast<MessageBusLink*>(self)->try_again(); });
}

void MessageBusLink::try_again() {
    if (current_ && !current_->is_dropped()) return;  // on its way, or there
    let_go();
    connect();
}

}  // namespace reeve::bus
