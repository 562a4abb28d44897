#include "daemon/bus/private_socket.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "daemon/bus/requests.hpp"
#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::bus {

using posix::check;
using posix::check_sd;

namespace {

constexpr std::uint64_t pause = 100'000;             // µs without a descriptor for anybody new
constexpr std::ptrdiff_t clients_of_one_user = 256;  // other than root and the manager's user

posix::Fd new_socket() {
    return posix::Fd{
        check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket")};
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        throw std::system_error{ENAMETOOLONG, std::generic_category(), "bind " + path};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

posix::Fd listen_at(const std::string& path, mode_t mode) {
    const sockaddr_un address = address_of(path);
    const posix::Fd probe = new_socket();
    if (::connect(probe.get(), generic(address), sizeof(address)) == 0 || errno == EAGAIN) {
        throw std::system_error{EADDRINUSE, std::generic_category(), "bind " + path};
    }
    ::unlink(path.c_str());
    posix::Fd socket = new_socket();
    // The mode of the file is that of the descriptor: at no moment is it open to others.
    check(::fchmod(socket.get(), mode), "mode of private socket");
    check(::bind(socket.get(), generic(address), sizeof(address)), ("bind " + path).c_str());
    check(::chmod(path.c_str(), mode), "mode of private socket");  // the umask took some bits
    check(::listen(socket.get(), SOMAXCONN), "listen");
    return socket;
}

// Clients find it: it is bound at `path`, and its file is still there.
bool listens_at(int socket, const std::string& path) {
    sockaddr_un address{};
    socklen_t size = sizeof(address) - 1;  // the path ends within it
    struct stat file {};
    return ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
           address.sun_family == AF_UNIX && path == address.sun_path &&
           ::stat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode);
}

posix::Fd listening_socket(posix::Fd given, const std::string& path, mode_t mode) {
    if (!given || !listens_at(given.get(), path)) return listen_at(path, mode);
    for (const int command : {F_GETFL, F_GETFD}) {
        const int flags = check(::fcntl(given.get(), command), "private socket");
        const bool status = command == F_GETFL;
        check(::fcntl(given.get(), status ? F_SETFL : F_SETFD,
                      flags | (status ? O_NONBLOCK : FD_CLOEXEC)),
              "private socket");
    }
    return given;
}

}  // namespace

// One that was given is not unlinked before all is well with us: whoever gave it has it yet.
PrivateSocket::PrivateSocket(sd_event* loop, Context& context, std::string path, mode_t mode,
                             posix::Fd listening)
    : loop_{loop},
      context_{context},
      path_{std::move(path)},
      keeps_{static_cast<bool>(listening)},
      socket_{listening_socket(std::move(listening), path_, mode)},
      spare_{::open("/dev/null", O_RDONLY | O_CLOEXEC)} {
    check_sd(sd_id128_randomize(&server_id_), "random id");
    sd_event_source* made = nullptr;
    check_sd(sd_event_add_io(loop, &made, socket_.get(), EPOLLIN, on_connect, this),
             "watch private socket");
    incoming_.reset(made);
    check_sd(sd_event_add_defer(loop, &made, on_reap, this), "reaper of clients");
    reaper_.reset(made);
    check_sd(sd_event_source_set_enabled(made, SD_EVENT_OFF), "reaper of clients");
    check_sd(sd_event_add_time(loop, &made, CLOCK_MONOTONIC, 0, 1, on_pause_over, this),
             "pause of the private socket");
    pause_.reset(made);
    check_sd(sd_event_source_set_enabled(made, SD_EVENT_OFF), "pause of the private socket");
}

PrivateSocket::~PrivateSocket() {
    if (!keeps_) ::unlink(path_.c_str());
}

int PrivateSocket::on_connect(sd_event_source*, int, std::uint32_t, void* self) noexcept {
    return posix::guarded("private socket",
                          [&] { static_cast<PrivateSocket*>(self)->accept_all(); });
}

int PrivateSocket::on_pause_over(sd_event_source*, std::uint64_t, void* self) noexcept {
    sd_event_source_set_enabled(static_cast<PrivateSocket*>(self)->incoming_.get(), SD_EVENT_ON);
    return 0;
}

int PrivateSocket::on_reap(sd_event_source*, void* self) noexcept {
    return posix::guarded("private socket", [&] { static_cast<PrivateSocket*>(self)->reap(); });
}

// A few at a time, so that a flood of clients delays nobody else.
void PrivateSocket::accept_all() {
    for (int i = 0; i < 16; ++i) {
        posix::Fd client{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (!client) {
            if (errno == EINTR || errno == EAGAIN) return;
            if (!is_short_) log::warn("bus: cannot let a client in: {}", std::strerror(errno));
            is_short_ = true;
            if (errno == EMFILE || errno == ENFILE) turn_away();
            return;
        }
        is_short_ = false;
        add(std::move(client));
    }
}

// Without a descriptor left, one who waits would wake the loop for ever. Another thread may have
// taken the spare one: then nobody is let in for a while.
void PrivateSocket::turn_away() {
    spare_ = posix::Fd{};
    posix::Fd client{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    const bool turned = static_cast<bool>(client);
    client = posix::Fd{};  // before the spare one is taken back
    spare_ = posix::Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    if (turned) return;
    sd_event_source_set_enabled(incoming_.get(), SD_EVENT_OFF);
    sd_event_source_set_time_relative(pause_.get(), pause);
    sd_event_source_set_enabled(pause_.get(), SD_EVENT_ONESHOT);
}

void PrivateSocket::add(posix::Fd socket) {
    const Credentials caller = peer_credentials(socket.get());
    const auto same = std::ranges::count(peers_, caller.uid, &Peer::user);
    if (same >= clients_of_one_user && !context_.access.may_control(caller)) return;
    try {
        peers_.emplace_back(context_, ++last_id_, loop_, std::move(socket), server_id_, [this] {
            sd_event_source_set_enabled(reaper_.get(), SD_EVENT_ONESHOT);
        });
    } catch (const std::system_error& e) {
        const bool gone = e.code() == std::errc::connection_reset ||
                          e.code() == std::errc::broken_pipe ||
                          e.code() == std::errc::not_connected;
        if (gone) {
            log::debug("bus: client of uid {}: {}", caller.uid, e.what());  // before it began
        } else {
            log::warn("bus: a client of uid {} is sent away: {}", caller.uid, e.what());
        }
    }
}

void PrivateSocket::reap() {
    for (auto it = peers_.begin(); it != peers_.end();) {
        if (!it->is_dropped()) {
            ++it;
            continue;
        }
        context_.requests.gone(it->id());
        it = peers_.erase(it);
    }
}

void PrivateSocket::for_each(const std::function<void(Connection&)>& body) {
    for (Peer& peer : peers_) body(peer);
}

bool PrivateSocket::anyone_listens() const noexcept {
    return std::ranges::any_of(peers_, &Peer::listens);
}

std::size_t PrivateSocket::listeners() const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(peers_, &Peer::listens));
}

}  // namespace reeve::bus
