#include "daemon/os/loop.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "daemon/os/retries.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

using posix::check;
using posix::check_sd;

namespace {

constexpr int fds_per_turn = 8;  // then timers, signals and the bus have their turn
constexpr std::size_t tasks_per_turn = 16;
constexpr std::chrono::milliseconds work_told_every{50};  // while there is no sleep between

struct Watch {
    Loop::Handler handler;
    const char* what = "";
    std::uint32_t generation = 0;
    std::uint32_t events = 0;
};

struct SignalWatch {
    Loop* loop = nullptr;
    std::function<void()> handler;
    posix::SourcePtr source;
};

// An event carries the descriptor and the generation of its watch, so that one that was fetched
// in the same batch for a descriptor closed since does not reach the new owner of the number.
std::uint64_t tag(int fd, std::uint32_t generation) noexcept {
    return (std::uint64_t{generation} << 32) | static_cast<std::uint32_t>(fd);
}

}  // namespace

struct Loop::Impl {
    posix::EventPtr event;
    posix::Fd epoll;
    posix::Fd wake;
    posix::SourcePtr epoll_source;
    posix::SourcePtr timer;
    std::map<int, SignalWatch> signals;
    std::function<void()> timer_handler;
    std::optional<core::TimePoint> armed;

    std::vector<std::unique_ptr<Watch>> watches;  // by descriptor
    std::vector<std::unique_ptr<Watch>> dropped;  // one may be running: let go after the batch
    bool in_batch = false;
    std::uint32_t generation = 0;
    std::set<int> refused;  // by the kernel: watched as before, or not at all
    int told_refusal = 0;   // errno
    std::optional<Retries> retries;

    std::mutex posted_mutex;
    std::vector<std::function<void()>> posted;  // guarded by posted_mutex
    std::vector<std::function<void()>> deferred;

    std::function<void()> work_begins, work_ends;

    Stats stats;
    const char* what = nullptr;  // of the dispatch at hand

    void measure(const char* name, core::TimePoint since) {
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now() - since);
        if (took <= stats.worst_dispatch) return;
        stats.worst_dispatch = took;
        stats.worst_what = name;
    }

    template <class Body>
    void run_named(const char* name, Body&& body) {
        const auto begin = now();
        posix::guarded(name, std::forward<Body>(body));
        measure(name, begin);
        what = name;
    }

    Watch* find(int fd) noexcept {
        const auto at = static_cast<std::size_t>(fd);
        return fd >= 0 && at < watches.size() ? watches[at].get() : nullptr;
    }

    void dispatch_fds() {
        std::array<epoll_event, fds_per_turn> events{};
        const int n = ::epoll_wait(epoll.get(), events.data(), fds_per_turn, 0);
        in_batch = true;
        for (int i = 0; i < n; ++i) {
            const auto& ready = events[static_cast<std::size_t>(i)];
            const int fd = static_cast<int>(ready.data.u64 & 0xffffffffU);
            Watch* const watch = find(fd);
            if (watch == nullptr || tag(fd, watch->generation) != ready.data.u64) continue;
            run_named(watch->what, [&] { watch->handler(ready.events); });
        }
        in_batch = false;
        dropped.clear();
        what = "descriptors";
    }

    void drop(std::unique_ptr<Watch>& watch) {
        if (in_batch) dropped.push_back(std::move(watch));
        watch.reset();
    }

    // 0 or errno.
    [[nodiscard]] int hand_to_kernel(int fd, bool known) noexcept {
        const Watch& watch = *watches[static_cast<std::size_t>(fd)];
        epoll_event wanted{};
        wanted.events = watch.events;
        wanted.data.u64 = tag(fd, watch.generation);
        // Once one was refused, what it was told last need not be what it knows.
        for (const bool changes : {known, !known}) {
            const int how = changes ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
            if (::epoll_ctl(epoll.get(), how, fd, &wanted) == 0) return 0;
            if (errno != ENOENT && errno != EEXIST) break;
        }
        return errno;
    }

    // Readiness is a level: what comes before it is watched is told then.
    void hand_over_later(int fd, int error) {
        if (std::exchange(told_refusal, error) != error)
            log::warn("cannot watch {}: {}; tried again until it can be",
                      watches[static_cast<std::size_t>(fd)]->what, std::strerror(error));
        refused.insert(fd);
        if (refused.size() == 1) retries->add([this] { return hand_over_refused(); });
    }

    bool hand_over_refused() {
        std::erase_if(refused, [this](int fd) { return !is_shortage(hand_to_kernel(fd, false)); });
        if (refused.empty()) told_refusal = 0;
        return refused.empty();
    }

    // Takes at most a turn's worth from the front, so that tasks which make tasks cannot keep
    // the loop from its descriptors. True: some are left.
    bool run_some(std::vector<std::function<void()>>& tasks, const char* name) {
        const auto count = std::min(tasks.size(), tasks_per_turn);
        std::vector<std::function<void()>> now_due{
            std::make_move_iterator(tasks.begin()),
            std::make_move_iterator(tasks.begin() + static_cast<std::ptrdiff_t>(count))};
        tasks.erase(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(count));
        for (const auto& task : now_due) run_named(name, task);
        return !tasks.empty();
    }

    // Both kinds of task are announced through one eventfd in our epoll, because that is fair: an
    // sd-event defer source stays pending for ever and would run before everything else.
    void announce() noexcept {
        const std::uint64_t one = 1;
        (void)!::write(wake.get(), &one, sizeof one);
    }

    void run_tasks() {
        std::uint64_t count = 0;
        (void)!::read(wake.get(), &count, sizeof count);
        {
            const std::lock_guard lock{posted_mutex};
            deferred.insert(deferred.end(), std::make_move_iterator(posted.begin()),
                            std::make_move_iterator(posted.end()));
            posted.clear();
        }
        if (run_some(deferred, "task")) announce();
    }
};

Loop::Loop() : impl_{std::make_unique<Impl>()} {
    Impl& m = *impl_;
    sd_event* event = nullptr;
    check_sd(sd_event_new(&event), "create event loop");
    m.event.reset(event);
    m.epoll = posix::Fd{check(::epoll_create1(EPOLL_CLOEXEC), "create epoll")};
    m.wake = posix::Fd{check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create eventfd")};

    sd_event_source* source = nullptr;
    check_sd(sd_event_add_io(
                 event, &source, m.epoll.get(), EPOLLIN,
                 [](sd_event_source*, int, std::uint32_t, void* impl) {
                     return posix::guarded("descriptors",
                                           [&] { static_cast<Impl*>(impl)->dispatch_fds(); });
                 },
                 &m),
             "watch own epoll");
    m.epoll_source.reset(source);

    m.timer_handler = [] {};
    check_sd(sd_event_add_time(
                 event, &source, CLOCK_MONOTONIC, UINT64_MAX, 1,
                 [](sd_event_source*, std::uint64_t, void* impl) {
                     auto& self = *static_cast<Impl*>(impl);
                     self.armed.reset();
                     self.run_named("timer", [&] { self.timer_handler(); });
                     return 0;
                 },
                 &m),
             "add timer");
    m.timer.reset(source);
    check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "add timer");
    m.retries.emplace(event);

    watch(
        m.wake.get(), EPOLLIN, [&m](std::uint32_t) { m.run_tasks(); }, "tasks");
}

Loop::~Loop() = default;

sd_event* Loop::get() const noexcept {
    return impl_->event.get();
}

core::TimePoint Loop::now() noexcept {
    return std::chrono::time_point_cast<core::Duration>(std::chrono::steady_clock::now());
}

void Loop::on_signal(int signal, std::function<void()> handler) {
    if (!handler) {
        impl_->signals.erase(signal);
        return;
    }
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
        throw std::system_error{error, std::generic_category(), "block signal"};
    }
    SignalWatch& watch = impl_->signals[signal];
    watch.loop = this;
    watch.handler = std::move(handler);
    if (watch.source) return;
    sd_event_source* source = nullptr;
    check_sd(sd_event_add_signal(
                 get(), &source, signal,
                 [](sd_event_source*, const signalfd_siginfo*, void* userdata) {
                     auto& self = *static_cast<SignalWatch*>(userdata);
                     self.loop->impl_->run_named("signal", [&] { self.handler(); });
                     return 0;
                 },
                 &watch),
             "watch signal");
    watch.source.reset(source);
}

void Loop::set_timer_handler(std::function<void()> handler) {
    impl_->timer_handler = std::move(handler);
}

void Loop::arm(std::optional<core::TimePoint> at) {
    if (at == impl_->armed) return;
    impl_->armed = at;
    sd_event_source* const timer = impl_->timer.get();
    if (!at) {
        check_sd(sd_event_source_set_enabled(timer, SD_EVENT_OFF), "disarm timer");
        return;
    }
    const auto since_boot = std::max(at->time_since_epoch(), core::Duration{1});
    check_sd(sd_event_source_set_time(timer, static_cast<std::uint64_t>(since_boot.count())),
             "set timer");
    check_sd(sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT), "arm timer");
}

void Loop::watch(int fd, std::uint32_t events, Handler handler, const char* what) {
    Impl& m = *impl_;
    const auto at = static_cast<std::size_t>(fd);
    if (at >= m.watches.size()) m.watches.resize(at + 1);
    const bool known = m.watches[at] != nullptr;
    const auto generation = known ? m.watches[at]->generation : ++m.generation;
    auto fresh = std::make_unique<Watch>(Watch{std::move(handler), what, generation, events});
    std::swap(m.watches[at], fresh);
    m.drop(fresh);
    m.refused.erase(fd);
    const int error = m.hand_to_kernel(fd, known);
    if (error == 0) return;
    if (is_shortage(error)) return m.hand_over_later(fd, error);
    m.drop(m.watches[at]);
    throw std::system_error{error, std::generic_category(), "watch descriptor"};
}

void Loop::unwatch(int fd) noexcept {
    Impl& m = *impl_;
    if (m.find(fd) == nullptr) return;
    ::epoll_ctl(m.epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
    m.refused.erase(fd);
    m.drop(m.watches[static_cast<std::size_t>(fd)]);
}

void Loop::post(std::function<void()> task) {
    const std::lock_guard lock{impl_->posted_mutex};
    impl_->posted.push_back(std::move(task));
    if (impl_->posted.size() > 1) return;  // the first has woken the loop
    impl_->announce();
}

void Loop::defer(std::function<void()> task) {
    impl_->deferred.push_back(std::move(task));
    if (impl_->deferred.size() == 1) impl_->announce();
}

void Loop::try_again(std::function<bool()> attempt) {
    impl_->retries->add(std::move(attempt));
}

void Loop::set_work_hooks(std::function<void()> begins, std::function<void()> ends) {
    impl_->work_begins = std::move(begins);
    impl_->work_ends = std::move(ends);
}

int Loop::run() {
    sd_event* const event = get();
    core::TimePoint told = now();
    while (sd_event_get_state(event) != SD_EVENT_FINISHED) {
        int pending = check_sd(sd_event_prepare(event), "prepare loop");
        if (pending == 0) {
            if (impl_->work_ends) impl_->work_ends();
            pending = sd_event_wait(event, UINT64_MAX);
            if (impl_->work_begins) impl_->work_begins();
            if (pending == -EINTR) continue;
            check_sd(pending, "wait for events");
            ++impl_->stats.wakeups;
        }
        if (pending == 0) continue;
        impl_->what = "bus";  // whoever else put a source into our sd-event
        const auto begin = now();
        // Under load there may be no end of work for long: that is not to hang.
        if (impl_->work_begins && begin - told > work_told_every) {
            impl_->work_begins();
            told = begin;
        }
        check_sd(sd_event_dispatch(event), "dispatch events");
        impl_->measure(impl_->what, begin);
    }
    int code = 0;
    check_sd(sd_event_get_exit_code(event, &code), "leave loop");
    return code;
}

void Loop::exit(int code) {
    check_sd(sd_event_exit(get(), code), "leave loop");
}

Loop::Stats Loop::stats() const noexcept {
    return impl_->stats;
}

}  // namespace reeve::os
