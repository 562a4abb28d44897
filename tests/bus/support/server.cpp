#include "tests/bus/support/server.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>

#include "hal/posix/check.hpp"

namespace reeve::bus::test {

namespace {

using posix::check;
using posix::check_sd;

// How often this thread gave up the processor by itself, and how often it was taken away.
struct Switches {
    long slept = 0;
    long preempted = 0;
};
Switches switches() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return {usage.ru_nvcsw, usage.ru_nivcsw};
}

}  // namespace

Folder::Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "reeve-bus-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error{errno, std::generic_category(), "mkdtemp"};
    }
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void Folder::open() const {
    std::filesystem::permissions(path_, std::filesystem::perms{0755});
}

Server::Server(ServerOptions options)
    : socket_{options.socket.empty() ? folder_ / "bus" : options.socket},
      wake_{check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")} {
    std::promise<void> ready;
    auto started = ready.get_future();
    thread_ = std::thread{[this, options = std::move(options), &ready] { run(options, ready); }};
    try {
        started.get();
    } catch (...) {
        thread_.join();
        throw;
    }
}

Server::~Server() {
    stop_ = true;
    post([] {});
    thread_.join();
}

void Server::post(std::function<void()> task) {
    const std::lock_guard lock{mutex_};
    tasks_.push_back(std::move(task));
    ::eventfd_write(wake_.get(), 1);
}

void Server::run_tasks() {
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock{mutex_};
        tasks.swap(tasks_);
        eventfd_t count = 0;
        ::eventfd_read(wake_.get(), &count);
    }
    for (const auto& task : tasks) task();
}

void Server::run(ServerOptions options, std::promise<void>& ready) {
    sd_event* made = nullptr;
    check_sd(sd_event_new(&made), "event loop");
    const posix::EventPtr loop{made};
    bool running = false;
    try {
        Board board{made};
        Bus bus{made, board,
                Options{.socket = socket_,
                        .address = options.address,
                        .system = options.system,
                        .owner = options.owner,
                        .accounts = options.accounts,
                        .listening = options.listening,
                        .record = options.record}};
        board.serve(&bus);
        board_ = &board;
        bus_ = &bus;
        // Tasks of the test run between turns, not in them: they wait for the test's lock.
        sd_event_source* source = nullptr;
        check_sd(sd_event_add_io(
                     made, &source, wake_.get(), EPOLLIN,
                     [](sd_event_source*, int, std::uint32_t, void*) { return 0; }, nullptr),
                 "wake");
        const posix::SourcePtr wake{source};
        running = true;
        ready.set_value();
        while (!stop_) turn(made);
    } catch (...) {
        if (running) throw;
        ready.set_exception(std::current_exception());
    }
}

void Server::turn(sd_event* loop) {
    run_tasks();
    int state = check_sd(sd_event_prepare(loop), "prepare");
    if (state == 0) state = check_sd(sd_event_wait(loop, UINT64_MAX), "wait");
    if (state == 0) return;
    const Switches before = switches();
    const auto begin = std::chrono::steady_clock::now();
    check_sd(sd_event_dispatch(loop), "dispatch");
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - begin);
    // A turn that was preempted says nothing: it was others who took the time.
    const Switches after = switches();
    const bool waited = after.slept != before.slept && after.preempted == before.preempted;
    if (waited && took.count() > worst_wait_) worst_wait_ = took.count();
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 1);
    }
    return true;
}

}  // namespace reeve::bus::test
