// bridge: standard input and output to the private socket and back, for `-H` at the other end.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/commands/verbs.hpp"
#include "hal/posix/check.hpp"

namespace reeve::ctl::commands {

namespace {

// One direction: what was read and could not be written yet. Neither direction waits for the
// other, or two full buffers would wait for each other for ever.
struct Flow {
    int from;
    int to;
    std::string held;
    bool ended = false;  // `from` has no more

    [[nodiscard]] bool wants_read() const { return !ended && held.empty(); }
    [[nodiscard]] bool wants_write() const { return !held.empty(); }
};

bool is_passing(int error) {
    return error == EAGAIN || error == EINTR;
}

void move(Flow& flow, bool readable, bool writable) {
    if (readable && flow.wants_read()) {
        char buffer[16384];
        const ssize_t got = ::read(flow.from, buffer, sizeof buffer);
        if (got > 0) flow.held.assign(buffer, static_cast<std::size_t>(got));
        flow.ended = got == 0 || (got == -1 && !is_passing(errno));
    }
    if (writable && flow.wants_write()) {
        const ssize_t put = ::write(flow.to, flow.held.data(), flow.held.size());
        if (put > 0) flow.held.erase(0, static_cast<std::size_t>(put));
        if (put == -1 && !is_passing(errno)) {
            flow.ended = true;
            flow.held.clear();
        }
    }
}

void copy_both_ways(int socket) {
    Flow out{STDIN_FILENO, socket, {}};
    Flow in{socket, STDOUT_FILENO, {}};
    bool told = false;
    while (!in.ended || in.wants_write()) {
        const auto interest = [](bool wanted, short what) { return wanted ? what : short{0}; };
        pollfd fds[] = {{out.wants_read() ? STDIN_FILENO : -1, POLLIN, 0},
                        {out.wants_write() || in.wants_read() ? socket : -1,
                         static_cast<short>(interest(out.wants_write(), POLLOUT) |
                                            interest(in.wants_read(), POLLIN)),
                         0},
                        {in.wants_write() ? STDOUT_FILENO : -1, POLLOUT, 0}};
        if (::poll(fds, 3, -1) == -1 && errno != EINTR) posix::check(-1, "wait for input");
        move(out, fds[0].revents != 0, (fds[1].revents & (POLLOUT | POLLERR | POLLHUP)) != 0);
        move(in, (fds[1].revents & (POLLIN | POLLERR | POLLHUP)) != 0, fds[2].revents != 0);
        if (out.ended && !out.wants_write() && !told) {
            ::shutdown(socket, SHUT_WR);
            told = true;
        }
    }
}

}  // namespace

int bridge(Context& context) {
    const posix::Fd socket = connect_socket(context.place);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, socket.get()}) {
        const int flags = posix::check(::fcntl(fd, F_GETFL), "read descriptor flags");
        posix::check(::fcntl(fd, F_SETFL, flags | O_NONBLOCK), "set descriptor flags");
    }
    copy_both_ways(socket.get());
    return code::done;
}

}  // namespace reeve::ctl::commands
