#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "daemon/os/notify_socket.hpp"
#include "hal/posix/fd.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

// A client as libsystemd is one: connects by the value of NOTIFY_SOCKET.
class Client {
public:
    explicit Client(const std::string& address)
        : socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
        to_.sun_family = AF_UNIX;
        std::memcpy(to_.sun_path, address.data(), address.size());
        length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        if (address.front() == '@')
            to_.sun_path[0] = '\0';
        else
            ++length_;
    }
    bool send(std::string_view text, const std::vector<int>& fds = {}, int flags = 0) {
        iovec part{const_cast<char*>(text.data()), text.size()};
        std::array<char, 1024> control{};
        msghdr header{};
        header.msg_name = &to_;
        header.msg_namelen = length_;
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        if (!fds.empty()) {
            header.msg_control = control.data();
            header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr* const c = CMSG_FIRSTHDR(&header);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
        }
        return ::sendmsg(socket_.get(), &header, flags | MSG_NOSIGNAL) ==
               static_cast<ssize_t>(text.size());
    }

private:
    posix::Fd socket_;
    sockaddr_un to_{};
    socklen_t length_ = 0;
};

std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}));
}

struct Seen {
    NotifyMessage message;
    NotifySender sender;
};

class NotifySocketTest : public testing::Test {
protected:
    Loop loop;
    Folder folder;
    std::vector<Seen> seen;
    NotifySocket::Handler remember = [this](const NotifyMessage& message,
                                            const NotifySender& sender) {
        seen.push_back({message, sender});
    };
};

TEST_F(NotifySocketTest, HandsOverMessagesWithTheirSender) {
    NotifySocket socket{loop, folder / "n", remember};
    EXPECT_EQ(socket.path(), folder / "n");
    ASSERT_TRUE(Client{socket.path()}.send("READY=1\nSTATUS=up"));
    ASSERT_TRUE(run_until(loop, [&] { return seen.size() == 1; }));
    EXPECT_TRUE(seen[0].message.ready);
    EXPECT_EQ(seen[0].message.status, "up");
    EXPECT_EQ(seen[0].sender.pid, ::getpid());
    EXPECT_EQ(seen[0].sender.uid, ::getuid());
}

TEST_F(NotifySocketTest, AnyUserMaySendAndTheFileGoesWithTheSocket) {
    const std::string path = folder / "n";
    {
        const NotifySocket socket{loop, path, remember};
        struct stat now {};
        ASSERT_EQ(::stat(path.c_str(), &now), 0);
        EXPECT_EQ(now.st_mode & 0777, 0777U);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(NotifySocketTest, TakesThePlaceOfASocketThatWasLeftBehind) {
    write_file(folder / "n", "");
    NotifySocket socket{loop, folder / "n", remember};
    ASSERT_TRUE(Client{socket.path()}.send("READY=1"));
    EXPECT_TRUE(run_until(loop, [&] { return seen.size() == 1; }));
}

TEST_F(NotifySocketTest, APathTooLongForClientsBecomesAnAbstractName) {
    NotifySocket socket{loop, folder / std::string(150, 'x'), remember};
    EXPECT_EQ(socket.path().front(), '@');
    EXPECT_LT(socket.path().size(), 100U);
    ASSERT_TRUE(Client{socket.path()}.send("READY=1"));
    EXPECT_TRUE(run_until(loop, [&] { return seen.size() == 1; }));
}

// BARRIER=1: the sender's end is closed when everything sent before has been handled.
TEST_F(NotifySocketTest, TheBarrierFallsAfterWhatWasSentBefore) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const posix::Fd end{ends[0]};
    posix::Fd barrier{ends[1]};
    pollfd hangup{end.get(), POLLIN, 0};
    bool early = false;
    NotifySocket socket{loop, folder / "n", [&](const NotifyMessage& message, const NotifySender&) {
                            early |= ::poll(&hangup, 1, 0) != 0;
                            seen.push_back({message, {}});
                        }};
    Client client{socket.path()};
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(client.send("STATUS=" + std::to_string(i)));
    ASSERT_TRUE(client.send("BARRIER=1", {barrier.get()}));
    barrier = {};
    ASSERT_TRUE(run_until(loop, [&] { return ::poll(&hangup, 1, 0) == 1; }));
    EXPECT_FALSE(early);
    ASSERT_EQ(seen.size(), 10U);
    EXPECT_TRUE(seen[9].message.barrier);
}

TEST_F(NotifySocketTest, DescriptorsThatComeAlongAreClosed) {
    NotifySocket socket{loop, folder / "n", remember};
    Client client{socket.path()};
    const posix::Fd some{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
        const std::size_t count = 1 + static_cast<std::size_t>(i) * 252 / 99;
        ASSERT_TRUE(
            client.send("FDSTORE=1\nFDNAME=keep", std::vector<int>(count % 250 + 1, some.get())));
        ASSERT_TRUE(client.send(std::string(5000, 'x'), {some.get()})) << "too long: skipped";
        socket.drain();
    }
    EXPECT_EQ(seen.size(), 100U);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(NotifySocketTest, TheHandlerMayDestroyTheSocket) {
    std::unique_ptr<NotifySocket> socket;
    socket = std::make_unique<NotifySocket>(loop, folder / "n",
                                            [&](const NotifyMessage& message, const NotifySender&) {
                                                seen.push_back({message, {}});
                                                socket.reset();
                                            });
    Client client{socket->path()};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.send("READY=1"));
    ASSERT_TRUE(run_until(loop, [&] { return !socket; }));
    EXPECT_EQ(seen.size(), 1U);
}

// A unit that sends without end gets its share of a turn, no more: others are heard.
TEST_F(NotifySocketTest, AFloodOfOneUnitHoldsUpNobody) {
    std::uint64_t flooded = 0;
    NotifySocket loud{loop, folder / "loud",
                      [&](const NotifyMessage&, const NotifySender&) { ++flooded; }};
    NotifySocket quiet{loop, folder / "quiet", remember};
    Client sender{loud.path()};
    const pid_t pid = ::fork();
    if (pid == 0)
        for (;;) sender.send("WATCHDOG=1");
    Client client{quiet.path()};
    ASSERT_TRUE(run_until(loop, [&] { return flooded > 100; }));
    for (std::size_t i = 1; i <= 100; ++i) {
        ASSERT_TRUE(client.send("WATCHDOG=1"));
        for (int turns = 0; seen.size() < i; ++turns) {
            ASSERT_LT(turns, 20);
            sd_event_run(loop.get(), 1'000'000);
        }
    }
    const std::uint64_t before = flooded;
    loud.drain();
    EXPECT_LE(flooded - before, 5000U) << "draining ends although the sender does not";
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

// Clients that send and exit at once, and are reaped before their message is read: none is lost,
// and each is known by its pid.
TEST_F(NotifySocketTest, Trap06SendAndExitLosesNothing) {
    const int total = full_scale() ? 10'000 : 200;
    std::set<pid_t> senders;
    NotifySocket socket{loop, folder / "n",
                        [&](const NotifyMessage& message, const NotifySender& sender) {
                            if (message.ready && message.main_pid == sender.pid)
                                senders.insert(sender.pid);
                        }};
    std::set<pid_t> running;
    std::size_t lost = 0;
    int started = 0;
    const auto reap = [&] {
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (running.erase(pid) == 0) continue;  // of a test before this one
            EXPECT_EQ(status, 0) << "a sender could not send";
            socket.drain();  // as before every exit
            lost += senders.erase(pid) == 1 ? 0 : 1;
        }
    };
    while (started < total || !running.empty()) {
        if (started < total && running.size() < 32) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                const bool sent =
                    Client{socket.path()}.send("READY=1\nMAINPID=" + std::to_string(::getpid()));
                ::_exit(sent ? 0 : 1);
            }
            ASSERT_GT(pid, 0);
            running.insert(pid);
            ++started;
        }
        if (started % 3 == 0) sd_event_run(loop.get(), 0);  // some are read while alive
        reap();
    }
    EXPECT_EQ(lost, 0U);
    EXPECT_TRUE(senders.empty());
}

// What is handled is off the queue, what is not is another's; one that was being handled comes
// twice.
TEST_F(NotifySocketTest, NothingIsLostWithTheManager) {
    for (const std::string& path : {folder / "n", folder / std::string(150, 'x')}) {
        seen.clear();
        posix::Fd kept;
        std::string address;
        {
            std::unique_ptr<NotifySocket> socket;
            const auto die_at_the_second = [&](const NotifyMessage& message, const auto& sender) {
                remember(message, sender);
                if (seen.size() < 2) return;
                socket->abandon();
                socket.reset();
            };
            socket = std::make_unique<NotifySocket>(loop, path, die_at_the_second);
            address = socket->path();
            kept = posix::Fd{::dup(socket->get())};
            const posix::Fd some{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            Client client{address};
            for (int i = 0; i < 4; ++i)
                ASSERT_TRUE(client.send("STATUS=" + std::to_string(i), {some.get()}));
            socket->drain();
            ASSERT_FALSE(socket);
        }
        const std::size_t before = open_descriptors();
        {
            NotifySocket socket{loop, std::move(kept), remember};
            EXPECT_EQ(socket.path(), address);
            ASSERT_TRUE(Client{address}.send("STATUS=4"));
            ASSERT_TRUE(run_until(loop, [&] { return seen.size() == 6; }));
        }
        EXPECT_EQ(open_descriptors(), before - 1);
        EXPECT_FALSE(std::filesystem::exists(folder / "n"));
        std::string all;
        for (const Seen& each : seen) all += *each.message.status;
        EXPECT_EQ(all, "011234");
    }
}

TEST_F(NotifySocketTest, AMessageThatCannotBeHandledDoesNotComeAgain) {
    NotifySocket socket{loop, folder / "n", [&](const NotifyMessage& message, const auto& sender) {
                            remember(message, sender);
                            if (seen.size() == 1) throw std::runtime_error{"no memory"};
                        }};
    Client client{socket.path()};
    ASSERT_TRUE(client.send("READY=1"));
    ASSERT_TRUE(client.send("STOPPING=1"));
    EXPECT_THROW(socket.drain(), std::runtime_error);
    socket.drain();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(seen[1].message.stopping);
}

TEST_F(NotifySocketTest, OnlyANotifySocketIsTakenOver) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const posix::Fd other{ends[1]};
    EXPECT_THROW((NotifySocket{loop, posix::Fd{ends[0]}, remember}), std::system_error);
    posix::Fd unbound{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    EXPECT_THROW((NotifySocket{loop, std::move(unbound), remember}), std::system_error);
}

// The real client, which waits for its barrier up to 5 s.
TEST_F(NotifySocketTest, SystemdNotifyReturnsAtOnce) {
    if (::access("/usr/bin/systemd-notify", X_OK) != 0) GTEST_SKIP() << "systemd-notify is missing";
    NotifySocket socket{loop, folder / "n", remember};
    const auto begin = std::chrono::steady_clock::now();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setenv("NOTIFY_SOCKET", socket.path().c_str(), 1);
        ::execl("/usr/bin/systemd-notify", "systemd-notify", "--ready", "--status=from outside",
                nullptr);
        ::_exit(127);
    }
    int status = -1;
    ASSERT_TRUE(run_until(loop, [&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
    EXPECT_EQ(status, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
    ASSERT_GE(seen.size(), 2U);
    EXPECT_TRUE(seen[0].message.ready);
    EXPECT_EQ(seen[0].message.status, "from outside");
    EXPECT_TRUE(seen.back().message.barrier);
}

}  // namespace
}  // namespace reeve::os
