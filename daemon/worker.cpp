#include "daemon/worker.hpp"

#include <csignal>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "hal/posix/log.hpp"

namespace reeve {

namespace {

constexpr std::chrono::milliseconds patience{500};
constexpr unsigned most_threads = 4;
// An idle thread ends, so that a quiet board keeps no stack for it.
constexpr std::chrono::seconds idle_life{2};

struct Job {
    std::function<void()> work;
    std::function<void()> done;
};

}  // namespace

struct Worker::Shared {
    std::mutex mutex;
    std::condition_variable more;
    std::deque<Job> jobs;
    unsigned threads = 0;
    unsigned idle = 0;
    std::chrono::steady_clock::time_point last_progress;
    os::Loop* loop = nullptr;  // nullptr: the worker is gone, results are dropped
};

Worker::Worker(os::Loop& loop) : loop_{loop}, shared_{std::make_shared<Shared>()} {
    shared_->loop = &loop_;
}

Worker::~Worker() {
    const std::lock_guard lock{shared_->mutex};
    shared_->loop = nullptr;
    shared_->jobs.clear();
    shared_->more.notify_all();
}

namespace {

// Waits for a job; false: idle for too long, or the worker is gone.
bool take(Worker::Shared& shared, std::unique_lock<std::mutex>& lock, Job& job) {
    ++shared.idle;
    shared.more.wait_for(lock, idle_life, [&] { return !shared.loop || !shared.jobs.empty(); });
    --shared.idle;
    if (!shared.loop || shared.jobs.empty()) return false;
    job = std::move(shared.jobs.front());
    shared.jobs.pop_front();
    shared.last_progress = std::chrono::steady_clock::now();
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
        // Posting under the lock: the loop outlives the worker, and the worker its lock.
        if (shared->loop && job.done) shared->loop->post(std::move(job.done));
    }
    --shared->threads;
}

}  // namespace

void Worker::submit(std::function<void()> job, std::function<void()> done) {
    const std::lock_guard lock{shared_->mutex};
    shared_->jobs.push_back({std::move(job), std::move(done)});
    const bool stuck = std::chrono::steady_clock::now() - shared_->last_progress > patience;
    const bool grow = shared_->threads == 0 || (shared_->idle == 0 && stuck);
    if (grow && shared_->threads < most_threads) {
        sigset_t all;
        sigset_t old;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &old);  // signals are the loop's alone
        ++shared_->threads;
        shared_->last_progress = std::chrono::steady_clock::now();
        std::thread{[shared = shared_] { thread_main(shared); }}.detach();
        ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    }
    shared_->more.notify_one();
}

}  // namespace reeve
