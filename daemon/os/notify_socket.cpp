#include "daemon/os/notify_socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"
#include "hal/posix/read_file.hpp"

namespace reeve::os {

namespace {

using posix::check;

constexpr int messages_per_turn = 16;
constexpr std::size_t longest_message = 4096;  // as systemd; longer ones are dropped
constexpr std::size_t most_descriptors = 253;  // the kernel's SCM_MAX_FD

// What the kernel lets wait on one socket (net.unix.max_dgram_qlen): having read so many, all that
// was there before has been read, however fast somebody goes on sending.
int queue_length() {
    static const int length = [] {
        const auto text = posix::read_whole("/proc/sys/net/unix/max_dgram_qlen");
        const int value = text ? std::atoi(text->c_str()) : 0;
        return std::clamp(value, 16, 4096) + 16;
    }();
    return length;
}

// Descriptors that came with a message. We keep none; closing them after the message was handled
// is what answers BARRIER=1.
class Received {
public:
    Received() = default;
    Received(const Received&) = delete;
    Received& operator=(const Received&) = delete;
    ~Received() {
        for (std::size_t i = 0; i < count_; ++i) ::close(fds_[i]);
    }
    void take(const cmsghdr* header) {
        const std::size_t count =
            std::min((header->cmsg_len - CMSG_LEN(0)) / sizeof(int), fds_.size() - count_);
        std::memcpy(&fds_[count_], CMSG_DATA(header), count * sizeof(int));
        count_ += count;
    }

private:
    std::array<int, most_descriptors> fds_{};
    std::size_t count_ = 0;
};

enum class Got { nothing, junk, message };

struct Datagram {
    std::array<char, longest_message> text;
    std::size_t length = 0;
    NotifySender sender;
    Received received;

    Datagram() = default;  // leaves `text` as it is: it is written before it is read

    // Leaves it in the queue. nothing: that is empty (or the socket failed). junk: to be skipped.
    Got receive(int socket) {
        alignas(cmsghdr)
            std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int) * most_descriptors)>
                control;
        iovec part{text.data(), text.size()};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        ssize_t got = 0;
        do {
            got = ::recvmsg(socket, &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        } while (got < 0 && errno == EINTR);
        if (got < 0) return Got::nothing;
        length = static_cast<std::size_t>(got);
        for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level != SOL_SOCKET) continue;
            if (c->cmsg_type == SCM_RIGHTS) received.take(c);
            if (c->cmsg_type == SCM_CREDENTIALS) {
                ucred credentials{};
                std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
                sender = {credentials.pid, credentials.uid};
            }
        }
        return (header.msg_flags & MSG_TRUNC) != 0 ? Got::junk : Got::message;
    }
};

// Takes the next message off the queue, with the descriptors that are in it.
void consume(int socket) {
    char none = 0;
    while (::recv(socket, &none, 0, MSG_DONTWAIT) < 0 && errno == EINTR) continue;
}

}  // namespace

struct NotifySocket::Impl : std::enable_shared_from_this<NotifySocket::Impl> {
    Impl(Loop& on, Handler to) : loop{on}, handler{std::move(to)} {}

    void bind(const std::string& wanted);
    void bind_abstract();
    void find_address();
    void watch();
    void read_some(int most);

    Loop& loop;
    Handler handler;
    posix::Fd socket;
    std::string file;     // empty: abstract
    std::string address;  // for NOTIFY_SOCKET
    bool closed = false;
};

void NotifySocket::Impl::bind(const std::string& wanted) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (wanted.size() >= sizeof where.sun_path) return bind_abstract();
    std::memcpy(where.sun_path, wanted.c_str(), wanted.size() + 1);
    ::unlink(wanted.c_str());  // what a killed manager left
    const auto* generic = reinterpret_cast<const sockaddr*>(&where);
    check(::bind(socket.get(), generic, sizeof where), ("bind " + wanted).c_str());
    file = address = wanted;
    check(::chmod(wanted.c_str(), 0777), ("chmod " + wanted).c_str());
}

// A path that does not fit could be bound through /proc/self/fd, but no client could connect to
// it: the kernel chooses a short abstract name instead.
void NotifySocket::Impl::bind_abstract() {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    auto* generic = reinterpret_cast<sockaddr*>(&where);
    check(::bind(socket.get(), generic, sizeof(sa_family_t)), "bind an abstract notify socket");
    find_address();
}

void NotifySocket::Impl::find_address() {
    sockaddr_un where{};
    socklen_t length = sizeof where;
    check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&where), &length),
          "getsockname of a notify socket");
    if (where.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path))
        throw std::system_error{EINVAL, std::generic_category(), "take over a notify socket"};
    address.assign(where.sun_path, length - offsetof(sockaddr_un, sun_path));
    if (address[0] == '\0') {
        address[0] = '@';
    } else {
        address.resize(std::strlen(address.c_str()));
        file = address;
    }
}

void NotifySocket::Impl::watch() {
    loop.watch(
        socket.get(), EPOLLIN, [this](std::uint32_t) { read_some(messages_per_turn); },
        "notify socket");
}

// A message is taken off the queue only once it has been handled: if we die before, the manager
// after us reads it. That may be the second time, which does no harm.
void NotifySocket::Impl::read_some(int most) {
    const auto self = shared_from_this();  // the handler may destroy the socket
    for (int i = 0; i < most && !closed; ++i) {
        Datagram datagram;
        const Got got = datagram.receive(socket.get());
        if (got == Got::nothing) return;
        try {
            if (got == Got::message)
                handler(parse_notify({datagram.text.data(), datagram.length}), datagram.sender);
        } catch (...) {  // it would come again, and again
            consume(socket.get());
            throw;
        }
        posix::crash_point(posix::CrashPoint::message_recorded);
        if (!closed) consume(socket.get());
    }
}

NotifySocket::NotifySocket(Loop& loop, const std::string& path, Handler handler)
    : impl_{std::make_shared<Impl>(loop, std::move(handler))} {
    impl_->socket =
        posix::Fd{check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket")};
    const int on = 1;
    check(::setsockopt(impl_->socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on),
          "ask for the credentials of notify senders");
    impl_->bind(path);
    impl_->watch();
}

NotifySocket::NotifySocket(Loop& loop, posix::Fd bound, Handler handler)
    : impl_{std::make_shared<Impl>(loop, std::move(handler))} {
    impl_->socket = std::move(bound);
    impl_->find_address();
    impl_->watch();
}

NotifySocket::~NotifySocket() {
    impl_->closed = true;
    impl_->loop.unwatch(impl_->socket.get());
    if (!impl_->file.empty()) ::unlink(impl_->file.c_str());
}

const std::string& NotifySocket::path() const noexcept {
    return impl_->address;
}

int NotifySocket::get() const noexcept {
    return impl_->socket.get();
}

void NotifySocket::abandon() noexcept {
    impl_->file.clear();
}

void NotifySocket::drain() {
    const auto impl = impl_;
    impl->read_some(queue_length());
}

}  // namespace reeve::os
