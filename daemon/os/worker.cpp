#include "daemon/os/worker.hpp"

#include <csignal>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

constexpr std::chrono::milliseconds patience{500};
constexpr unsigned most_threads = 4;
// An idle thread ends, so that a quiet board keeps no stack for it.
constexpr std::chrono::seconds idle_life{2};

struct Job {
    std::function<void()> work;
    std::function<void()> done;
    Worker::Chain chain{};
};

}  // namespace

struct Worker::Shared {
    std::mutex mutex;
    std::condition_variable more;
    std::deque<Job> jobs;
    std::vector<Chain> busy;  // chains of which a job runs
    unsigned threads = 0;
    unsigned idle = 0;
    core::TimePoint last_progress;
    Loop* loop = nullptr;  // nullptr: the worker is gone, results are dropped

    // The first that need not wait for another of its chain.
    std::deque<Job>::iterator next() {
        return std::ranges::find_if(jobs, [&](const Job& job) {
            return job.chain == Chain::none || std::ranges::find(busy, job.chain) == busy.end();
        });
    }
};

namespace {

// Waits for a job; false: idle for too long, or the worker is gone.
bool take(Worker::Shared& shared, std::unique_lock<std::mutex>& lock, Job& job) {
    const auto due = [&] { return !shared.loop || shared.next() != shared.jobs.end(); };
    ++shared.idle;
    const bool in_time = shared.more.wait_for(lock, idle_life, due);
    --shared.idle;
    if (!in_time || !shared.loop) return false;
    const auto next = shared.next();
    job = std::move(*next);
    shared.jobs.erase(next);
    if (job.chain != Worker::Chain::none) shared.busy.push_back(job.chain);
    shared.last_progress = Loop::now();
    return true;
}

void run(Job& job) {
    try {
        job.work();
    } catch (const std::exception& e) {
        log::error("worker: {}", e.what());
    }
}

void thread_main(const std::shared_ptr<Worker::Shared>& shared) {
    std::unique_lock lock{shared->mutex};
    for (Job job; take(*shared, lock, job);) {
        lock.unlock();
        run(job);
        lock.lock();
        std::erase(shared->busy, job.chain);
        // Posting under the lock: the loop outlives the worker, and the worker its lock.
        if (shared->loop && job.done) shared->loop->post(std::move(job.done));
        job = {};
    }
    --shared->threads;
}

}  // namespace

struct Worker::Impl {
    explicit Impl(Loop& on);

    void look();  // whether the jobs that wait need another thread; with the lock
    bool add_thread() const;
    void arm();

    Loop& loop;
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();
    posix::SourcePtr timer;  // while jobs wait
    bool armed = false;
};

Worker::Impl::Impl(Loop& on) : loop{on} {
    shared->loop = &loop;
    sd_event_source* source = nullptr;
    posix::check_sd(sd_event_add_time(
                        loop.get(), &source, CLOCK_MONOTONIC, UINT64_MAX, 1'000,
                        [](sd_event_source*, std::uint64_t, void* impl) {
                            auto& self = *static_cast<Impl*>(impl);
                            return posix::guarded("worker", [&] {
                                const std::lock_guard lock{self.shared->mutex};
                                self.armed = false;
                                self.look();
                            });
                        },
                        this),
                    "add timer");
    timer.reset(source);
    posix::check_sd(sd_event_source_set_enabled(source, SD_EVENT_OFF), "add timer");
}

bool Worker::Impl::add_thread() const {
    sigset_t all;
    sigset_t old;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &old);  // signals are the loop's alone
    bool made = true;
    try {
        std::thread{[shared = shared] { thread_main(shared); }}.detach();
    } catch (const std::system_error& e) {  // tried again when the timer fires
        log::warn("worker: cannot start a thread: {}", e.what());
        made = false;
    }
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return made;
}

void Worker::Impl::look() {
    if (shared->next() == shared->jobs.end()) return;
    const bool stuck = Loop::now() - shared->last_progress >= patience;
    const bool grow = shared->threads == 0 || (shared->idle == 0 && stuck);
    if (grow && shared->threads < most_threads && add_thread()) {
        ++shared->threads;
        shared->last_progress = Loop::now();
    }
    if (shared->threads < most_threads) arm();
}

void Worker::Impl::arm() {
    if (std::exchange(armed, true)) return;
    const auto now = Loop::now();
    const auto at = std::max(shared->last_progress + patience, now + patience / 10);
    const auto time = static_cast<std::uint64_t>(at.time_since_epoch().count());
    posix::check_sd(sd_event_source_set_time(timer.get(), time), "set timer");
    posix::check_sd(sd_event_source_set_enabled(timer.get(), SD_EVENT_ONESHOT), "arm timer");
}

Worker::Worker(Loop& loop) : impl_{std::make_unique<Impl>(loop)} {}

Worker::~Worker() {
    const std::lock_guard lock{impl_->shared->mutex};
    impl_->shared->loop = nullptr;
    impl_->shared->jobs.clear();
    impl_->shared->more.notify_all();
}

void Worker::submit(std::function<void()> job, std::function<void()> done, Chain chain) {
    Shared& shared = *impl_->shared;
    const std::lock_guard lock{shared.mutex};
    shared.jobs.push_back({std::move(job), std::move(done), chain});
    impl_->look();
    shared.more.notify_one();
}

}  // namespace reeve::os
