#include "daemon/console_log.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace reeve {

namespace {

constexpr std::size_t most_waiting = 256 << 10;

}  // namespace

struct ConsoleLog::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::string waiting;
    std::size_t dropped = 0;
    bool busy = false;
    bool closing = false;
};

namespace {

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n == -1 && errno == EINTR) continue;
        if (n <= 0) return;  // closed, full or gone: there is nobody left to tell
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

void thread_main(const std::shared_ptr<ConsoleLog::Shared>& shared, int fd) {
    std::unique_lock lock{shared->mutex};
    while (true) {
        shared->changed.wait(lock, [&] { return shared->closing || !shared->waiting.empty(); });
        if (shared->waiting.empty()) return;
        std::string batch;
        batch.swap(shared->waiting);
        if (shared->dropped > 0) {
            batch += "(" + std::to_string(shared->dropped) + " lines dropped: stderr is slow)\n";
            shared->dropped = 0;
        }
        shared->busy = true;
        lock.unlock();
        write_all(fd, batch);
        lock.lock();
        shared->busy = false;
        shared->changed.notify_all();
    }
}

}  // namespace

ConsoleLog::ConsoleLog(int fd) : shared_{std::make_shared<Shared>()}, fd_{fd} {}

void ConsoleLog::start_thread() {
    sigset_t all;
    sigset_t old;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &old);  // signals are the loop's alone
    std::thread{[shared = shared_, fd = fd_] { thread_main(shared, fd); }}.detach();
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

ConsoleLog::~ConsoleLog() {
    std::unique_lock lock{shared_->mutex};
    shared_->closing = true;
    shared_->changed.notify_all();
    shared_->changed.wait_for(lock, std::chrono::seconds{1},
                              [&] { return shared_->waiting.empty() && !shared_->busy; });
}

void ConsoleLog::write(std::string_view line) {
    const std::lock_guard lock{shared_->mutex};
    if (shared_->waiting.size() + line.size() > most_waiting) {
        ++shared_->dropped;
        return;
    }
    shared_->waiting.append(line).push_back('\n');
    if (!started_) start_thread();
    started_ = true;
    shared_->changed.notify_all();
}

}  // namespace reeve
