#include "daemon/bus/bus.hpp"

#include <unistd.h>

#include <chrono>
#include <optional>
#include <vector>

#include "daemon/bus/message_bus.hpp"
#include "daemon/bus/news.hpp"
#include "daemon/bus/private_socket.hpp"
#include "daemon/bus/requests.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"

namespace reeve::bus {

using posix::check_sd;

namespace {

constexpr std::size_t told_per_turn = 64;  // units, events, devices: then others have their turn
constexpr int share = 4;                   // of the time is for others while there is more to tell

}  // namespace

struct Bus::Impl {
    Impl(sd_event* loop, Backend& backend, const Options& options)
        : access{options.system, options.owner, options.accounts},
          requests{backend, options.record},
          context{backend, access, requests, options.system},
          private_socket{loop, context, options.socket,
                         static_cast<mode_t>(options.system ? 0666 : 0600),
                         posix::Fd{options.listening}},
          message_bus{loop, context, options.address, [this] { tell_what_was_missed(); }} {
        sd_event_source* made = nullptr;
        // Not a defer source: that would run before everything else.
        check_sd(sd_event_add_time(loop, &made, CLOCK_MONOTONIC, UINT64_MAX, 1, on_turn, this),
                 "signals of the bus");
        turn.reset(made);
        check_sd(sd_event_source_set_enabled(made, SD_EVENT_OFF), "signals of the bus");
        private_socket.keep(false);
    }

    static int on_turn(sd_event_source*, std::uint64_t, void* self) noexcept {
        return posix::guarded("bus", [&] { static_cast<Impl*>(self)->tell(); });
    }

    [[nodiscard]] bool anyone_listens() const noexcept {
        return message_bus.has_name() || private_socket.anyone_listens();
    }

    // The loop comes back to us when others have had their turn.
    void soon() {
        if (std::exchange(is_due, true)) return;
        sd_event_source_set_time(turn.get(), static_cast<std::uint64_t>(not_before.count()));
        sd_event_source_set_enabled(turn.get(), SD_EVENT_ONESHOT);
    }

    // What changed while some of it is told is told after that.
    void tell() {
        is_due = false;
        if (telling.empty()) telling = std::exchange(news, {});
        const News some = telling.take(told_per_turn);
        const auto began = now();
        posix::guarded("signals of the bus", [&] { signals += some.tell(listeners()); });
        const auto ended = now();
        not_before = ended + share * (ended - began);
        if (!telling.empty() || !news.empty()) soon();
    }

    // Who listens on the message bus does so through our death, and what has happened since was
    // told to nobody; nor, perhaps, was what happened just before.
    void tell_what_was_missed() {
        constexpr std::chrono::seconds margin{1};
        if (!missed_since) return;
        const core::Engine& engine = context.backend.engine();
        for (const core::UnitId unit : engine.all())
            if (engine.view(unit).since >= *missed_since - margin) news.touched(unit, name(unit));
        missed_since.reset();
        if (!news.empty()) soon();
    }

    std::vector<Connection*> listeners() {
        std::vector<Connection*> all;
        const auto look = [&](Connection& client) {
            if (client.listens()) client.check_backlog();
            if (client.listens()) all.push_back(&client);
        };
        private_socket.for_each(look);
        if (message_bus.has_name()) look(*message_bus.current());
        return all;
    }

    static std::chrono::microseconds now() {
        return std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now().time_since_epoch());
    }

    std::string_view name(core::UnitId unit) const { return context.backend.engine().name(unit); }

    Access access;
    Requests requests;
    Context context;
    PrivateSocket private_socket;
    MessageBusLink message_bus;
    News news;
    News telling;                             // some of it has been told
    std::chrono::microseconds not_before{1};  // when the next of it may be
    bool is_due = false;
    std::optional<core::TimePoint> missed_since;
    std::uint64_t signals = 0;  // sent
    posix::SourcePtr turn;
};

Bus::Bus(sd_event* loop, Backend& backend, const Options& options)
    : impl_{std::make_unique<Impl>(loop, backend, options)} {}

Bus::~Bus() = default;

void Bus::report(const core::Report& report) {
    if (!impl_->anyone_listens()) return;
    impl_->news.changed(impl_->name(report.unit), report);
    impl_->soon();
}

void Bus::report(const core::EventReport& report) {
    if (!impl_->anyone_listens()) return;
    impl_->news.changed(report);
    impl_->soon();
}

void Bus::devices_changed(const std::vector<std::string>& devices) {
    if (!impl_->anyone_listens()) return;
    impl_->news.changed(devices);
    impl_->soon();
}

void Bus::answer(const core::Answer& answer) {
    impl_->requests.answer(answer);
}

void Bus::removed(core::UnitId unit, std::string_view name) {
    if (!impl_->anyone_listens()) return;
    impl_->news.removed(unit, name);
    impl_->soon();
}

void Bus::facts_changed(core::UnitId unit) {
    if (!impl_->anyone_listens()) return;
    impl_->news.touched(unit, impl_->name(unit));
    impl_->soon();
}

void Bus::reconnect() {
    impl_->access.reload();
    impl_->message_bus.reconnect();
}

bool Bus::on_message_bus() const noexcept {
    return impl_->message_bus.has_name();
}

std::string Bus::save() const {
    return impl_->requests.save();
}

void Bus::load(std::string_view saved) {
    impl_->requests.load(saved);
}

void Bus::replay(std::string_view bytes) {
    impl_->requests.replay(bytes);
}

void Bus::resume() {
    impl_->requests.resume();
}

void Bus::took_over(core::TimePoint since) {
    impl_->missed_since = since;
    if (impl_->message_bus.has_name()) impl_->tell_what_was_missed();
}

void Bus::applied(core::RequestId request, const ApplyOutcome& outcome) {
    Outcome answer;
    answer.applied = outcome.applied;
    answer.text = outcome.report;
    impl_->requests.complete(request, std::move(answer));
}

void Bus::came_up_by_reexec() {
    Outcome outcome;
    outcome.text = REEVE_VERSION;
    outcome.pid = static_cast<std::uint32_t>(::getpid());
    impl_->requests.complete_all("ReExec", outcome);
}

int Bus::listening() const noexcept {
    return impl_->private_socket.listening();
}

void Bus::keep_socket() noexcept {
    impl_->private_socket.keep(true);
}

Bus::Stats Bus::stats() const noexcept {
    return {impl_->private_socket.clients(), impl_->private_socket.listeners(),
            impl_->requests.pending(), impl_->signals};
}

}  // namespace reeve::bus
