#include "daemon/os/spawn_threads.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <condition_variable>
#include <mutex>

#include "daemon/os/fd_window.hpp"
#include "daemon/os/spawner.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

using namespace std::chrono_literals;

namespace {

constexpr unsigned all_threads = SpawnThreads::regular + SpawnThreads::spare;
constexpr auto patience = 100ms;  // then a start counts as hanging
constexpr unsigned results_per_turn = 32;
constexpr std::size_t thread_stack = 256 * 1024;  // reserved; a few pages of it are touched

struct JobList {
    SpawnJob* head = nullptr;
    SpawnJob* tail = nullptr;

    [[nodiscard]] bool empty() const noexcept { return head == nullptr; }
    void push(SpawnJob* job) noexcept {
        job->next = nullptr;
        (head == nullptr ? head : tail->next) = job;
        tail = job;
    }
    SpawnJob* pop() noexcept {
        SpawnJob* const job = head;
        if (job != nullptr) head = job->next;
        return job;
    }
    bool remove(SpawnJob* job) noexcept {
        SpawnJob* before = nullptr;
        for (SpawnJob* at = head; at != nullptr; before = at, at = at->next) {
            if (at != job) continue;
            (before == nullptr ? head : before->next) = at->next;
            if (tail == at) tail = before;
            return true;
        }
        return false;
    }
};

// Shared with the threads, one of which may outlive the SpawnThreads.
struct Shared {
    FdWindow window{all_threads};
    posix::Fd wake;
    std::mutex mutex;
    std::condition_variable work;
    JobList queue, done;                           // guarded by mutex, as is all below
    std::array<SpawnJob*, all_threads> current{};  // by thread
    bool quit = false;
};

struct ThreadStart {
    std::shared_ptr<Shared> shared;
    Spawner spawner;
    unsigned index;
};

void serve(Shared& shared, Spawner& spawner, unsigned index) {
    std::unique_lock lock{shared.mutex};
    for (;;) {
        shared.work.wait(lock, [&] { return shared.quit || !shared.queue.empty(); });
        if (shared.quit) return;
        SpawnJob* const job = shared.queue.pop();
        job->since = Loop::now();
        job->begun.store(true);
        shared.current[index] = job;
        lock.unlock();
        spawner.spawn(job->order, job->plan);
        lock.lock();
        shared.current[index] = nullptr;
        const bool first = shared.done.empty();
        shared.done.push(job);
        if (!first) continue;  // the loop has been woken and has not looked yet
        lock.unlock();         // the woken loop wants it at once
        const std::uint64_t one = 1;
        (void)!::write(shared.wake.get(), &one, sizeof one);
        lock.lock();
    }
}

void* thread_main(void* argument) {
    const std::unique_ptr<ThreadStart> start{static_cast<ThreadStart*>(argument)};
    serve(*start->shared, start->spawner, start->index);
    return nullptr;
}

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> out;
    out.reserve(strings.size() + 1);
    for (const auto& s : strings) out.push_back(s.c_str());
    out.push_back(nullptr);
    return out;
}

}  // namespace

SpawnJob::SpawnJob(core::ProcessRef of, SpawnPlan with)
    : process{of}, plan{std::move(with)}, argv{pointers(plan.argv)}, env{pointers(plan.env)} {
    order.argv = argv.data();
    order.env = env.data();
    order.directory = plan.directory.c_str();
    order.umask = plan.umask.value_or(0022);
    if (plan.identity) {
        order.change_identity = true;
        order.uid = plan.identity->uid;
        order.gid = plan.identity->gid;
        order.groups = plan.identity->groups.data();
        order.group_count = plan.identity->groups.size();
    }
    order.ignore_sigpipe = plan.ignore_sigpipe;
}

struct SpawnThreads::Impl {
    Loop& loop;
    Events events;
    RaisedFileLimit file_limit;
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();
    SpawnEnvironment environment;
    std::vector<pthread_t> threads;
    unsigned hanging = 0;
    JobList results;  // taken from shared->done, not yet told
    posix::SourcePtr hang_timer;
    bool timer_armed = false;
    bool complained = false;  // that no thread can be made

    Impl(Loop& on, Events to, std::optional<rlim_t> core) : loop{on}, events{std::move(to)} {
        environment = probe_environment(file_limit.original());
        rlimit own{};
        if (core && ::getrlimit(RLIMIT_CORE, &own) == 0) {
            own.rlim_cur = std::min(*core, own.rlim_max);
            environment.core = own;
        }
        shared->wake =
            posix::Fd{posix::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create eventfd")};
        sd_event_source* source = nullptr;
        posix::check_sd(sd_event_add_time(
                            loop.get(), &source, CLOCK_MONOTONIC, UINT64_MAX, 1'000,
                            [](sd_event_source*, std::uint64_t, void* self) {
                                return posix::guarded("spawn threads", [&] {
                                    static_cast<Impl*>(self)->look_for_hanging();
                                });
                            },
                            this),
                        "add timer");
        hang_timer.reset(source);
        posix::check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "add timer");
        for (unsigned i = 0; i < regular; ++i) add_thread();
        loop.watch(
            shared->wake.get(), EPOLLIN, [this](std::uint32_t) { collect(); }, "started processes");
    }

    // Signals are the loop's; and in a child none may come before its handlers are reset.
    void add_thread() {
        const auto index = static_cast<unsigned>(threads.size());
        auto start = std::make_unique<ThreadStart>(ThreadStart{
            shared, Spawner{shared->window, shared->window.slots(index), environment}, index});
        pthread_attr_t attributes;
        ::pthread_attr_init(&attributes);
        ::pthread_attr_setstacksize(&attributes, thread_stack);
        sigset_t all, before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_t thread{};
        const int error = ::pthread_create(&thread, &attributes, thread_main, start.get());
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        ::pthread_attr_destroy(&attributes);
        if (error != 0) {
            throw std::system_error{error, std::generic_category(), "create spawn thread"};
        }
        (void)start.release();
        threads.push_back(thread);
    }

    void collect() {
        std::uint64_t count = 0;
        (void)!::read(shared->wake.get(), &count, sizeof count);
        {
            const std::lock_guard lock{shared->mutex};
            while (SpawnJob* const job = shared->done.pop()) results.push(job);
        }
        tell_results();
    }

    void tell_results() {
        for (unsigned i = 0; i < results_per_turn && !results.empty(); ++i) {
            std::unique_ptr<SpawnJob> job{results.pop()};
            if (job->hangs) --hanging;
            events.done(std::move(job));
        }
        if (!results.empty()) loop.defer([this] { tell_results(); });
    }

    void arm(core::TimePoint at) {
        timer_armed = true;
        const auto time = static_cast<std::uint64_t>(at.time_since_epoch().count());
        posix::check_sd(sd_event_source_set_time(hang_timer.get(), time), "set timer");
        posix::check_sd(sd_event_source_set_enabled(hang_timer.get(), SD_EVENT_ONESHOT),
                        "arm timer");
    }

    // False: one that is needed could not be made.
    bool add_spares() {
        try {
            while (threads.size() < all_threads && threads.size() - hanging < regular) add_thread();
        } catch (const std::system_error& e) {
            if (!std::exchange(complained, true)) log::warn("cannot {}", e.what());
            return false;
        }
        complained = false;
        return true;
    }

    void look_for_hanging() {
        timer_armed = false;
        const auto now = Loop::now();
        std::optional<core::TimePoint> next;
        std::vector<SpawnJob*> found;
        {
            const std::lock_guard lock{shared->mutex};
            for (SpawnJob* const job : shared->current) {
                if (job == nullptr || job->hangs) continue;
                if (now - job->since >= patience) {
                    found.push_back(job);
                } else {
                    next = std::min(next.value_or(core::TimePoint::max()), job->since + patience);
                }
            }
            if (!next && !shared->queue.empty()) next = now + patience;
        }
        for (SpawnJob* const job : found) {
            job->hangs = true;
            ++hanging;
        }
        // Refused: tried again, for the jobs that hang as for those that come to.
        if (!add_spares()) next = now + patience;
        if (hanging < all_threads && next) arm(*next);
        for (const SpawnJob* const job : found) events.hangs(*job);
    }
};

SpawnThreads::SpawnThreads(Loop& loop, Events events, std::optional<rlim_t> core)
    : impl_{std::make_unique<Impl>(loop, std::move(events), core)} {}

SpawnThreads::~SpawnThreads() {
    impl_->loop.unwatch(impl_->shared->wake.get());
    std::vector<std::unique_ptr<SpawnJob>> unfinished;
    {
        const std::lock_guard lock{impl_->shared->mutex};
        impl_->shared->quit = true;
        while (SpawnJob* const job = impl_->shared->queue.pop()) unfinished.emplace_back(job);
    }
    impl_->shared->work.notify_all();
    timespec until{};
    ::clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    for (const pthread_t thread : impl_->threads) {
        if (::pthread_timedjoin_np(thread, nullptr, &until) != 0) ::pthread_detach(thread);
    }
    const std::lock_guard lock{impl_->shared->mutex};
    while (SpawnJob* const job = impl_->shared->done.pop()) unfinished.emplace_back(job);
    while (SpawnJob* const job = impl_->results.pop()) unfinished.emplace_back(job);
}

SpawnJob& SpawnThreads::add(std::unique_ptr<SpawnJob> job) {
    SpawnJob& added = *job;
    {
        const std::lock_guard lock{impl_->shared->mutex};
        impl_->shared->queue.push(job.release());
    }
    impl_->shared->work.notify_one();
    if (!impl_->timer_armed) impl_->arm(Loop::now() + patience);
    return added;
}

std::unique_ptr<SpawnJob> SpawnThreads::cancel(SpawnJob& job) {
    const std::lock_guard lock{impl_->shared->mutex};
    return std::unique_ptr<SpawnJob>{impl_->shared->queue.remove(&job) ? &job : nullptr};
}

unsigned SpawnThreads::spares_in_use() const noexcept {
    return static_cast<unsigned>(impl_->threads.size()) - regular;
}

}  // namespace reeve::os
