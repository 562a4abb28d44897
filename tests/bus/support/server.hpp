// The bus with a Board behind it, on a thread of its own: the test is the client.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/bus/support/board.hpp"

namespace reeve::bus::test {

// A folder that is removed with all in it.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    void open() const;  // to other users; it is ours alone otherwise
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }

private:
    std::string path_;
};

struct ServerOptions {
    std::string address{};  // of a message bus
    bool system = false;
    uid_t owner = ::geteuid();
    std::string accounts{"/etc"};
    std::string socket{};  // empty: in a folder of its own
    int listening = -1;
    std::function<void(std::string)> record{};  // called on the loop
};

class Server {
public:
    explicit Server(ServerOptions options = {});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Runs `body` on the loop and waits for it; what it throws is thrown here.
    template <class Body>
    auto on_loop(Body body) {
        using Result = std::invoke_result_t<Body, Board&, Bus&>;
        auto task = std::make_shared<std::packaged_task<Result()>>(
            [this, body] { return body(*board_, *bus_); });
        post([task] { (*task)(); });
        return task->get_future().get();
    }

    void open_folder() const { folder_.open(); }
    [[nodiscard]] const std::string& socket() const noexcept { return socket_; }
    [[nodiscard]] std::string address() const { return "unix:path=" + socket_; }

    // The longest that one turn of the loop took while it slept inside: a call that waits.
    [[nodiscard]] std::chrono::microseconds worst_wait() const noexcept {
        return std::chrono::microseconds{worst_wait_.load()};
    }
    void reset_worst_wait() noexcept { worst_wait_ = 0; }

private:
    void run(ServerOptions options, std::promise<void>& ready);
    void turn(sd_event* loop);
    void post(std::function<void()> task);
    void run_tasks();

    Folder folder_;
    std::string socket_;
    posix::Fd wake_;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::int64_t> worst_wait_ = 0;
    Board* board_ = nullptr;
    Bus* bus_ = nullptr;
    std::thread thread_;
};

// Asks until `condition` holds; false: it did not within `limit`.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::seconds{10});

}  // namespace reeve::bus::test
