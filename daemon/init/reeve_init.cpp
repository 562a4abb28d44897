// The keeper: PID 1 of a board, elsewhere an ordinary process and subreaper. It starts the manager
// (reeved) and starts it again when it dies or is stuck, keeps the state and the descriptors that
// outlive it, stores how orphans ended, and takes the last step. C++ without a library, no heap;
// it waits in one place, and is woken by nothing while all is well.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "daemon/init/custody.hpp"
#include "daemon/init/launch.hpp"
#include "daemon/init/machine.hpp"
#include "daemon/init/options.hpp"
#include "daemon/init/protocol.hpp"
#include "daemon/init/state.hpp"
#include "daemon/init/text.hpp"

namespace reeve::init {

namespace {

// Work of one turn, so that no flood of one kind starves the others.
constexpr int messages_each_turn = 8, reaped_each_turn = 64;
constexpr int most_left_by_the_dead = 4096;  // messages: more than a socket's buffer holds

constexpr Nanos first_delay = 10 * millisecond, most_delay = second;   // before a start; doubled
constexpr Nanos retry_delay = 10 * millisecond, abort_delay = second;  // from ABRT to KILL

// All but the last three are handed over.
constexpr int watched[] = {SIGTERM, SIGINT,   SIGHUP,  SIGUSR1, SIGUSR2,
                           SIGPWR,  SIGWINCH, SIGCHLD, SIGPIPE, SIGTTOU};
constexpr uint64_t bit(int signal) {
    return uint64_t{1} << static_cast<unsigned>(signal);
}
constexpr uint64_t asks_for_the_end = bit(SIGTERM) | bit(SIGINT);
constexpr int most_owed_for = 3;  // deaths of managers that were to be told

// A packet on its way, with room for its descriptors.
struct Envelope {
    iovec part;
    msghdr header{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_keys)];

    Envelope(Packet* packet, size_t bytes, size_t room) : part{packet, bytes} {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = static_cast<uint32_t>(room);  // wider with some libraries
    }
    int* fds() { return reinterpret_cast<int*>(control + CMSG_LEN(0)); }
    // For so many keys, each with a descriptor.
    void seal(size_t count) {
        part.iov_len = offsetof(Packet, keys) + count * sizeof(uint64_t);
        if (count == 0) return;
        header.msg_controllen = static_cast<uint32_t>(CMSG_SPACE(count * sizeof(int)));
        auto* c = reinterpret_cast<cmsghdr*>(control);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = static_cast<uint32_t>(CMSG_LEN(count * sizeof(int)));
    }
};

// When the next manager starts, and how. Forgotten by one that was ready for long enough.
class Deaths {
public:
    int level = 0;

    // Returns the delay before the next start; -1: no level is left.
    Nanos count(const Options& by, Nanos now, Nanos ready_at) {
        const bool came_up = ready_at != never;
        if (came_up && now - ready_at >= by.settled) *this = {};
        // One that had come up is replaced at once; so is the first that had not.
        const Nanos delay = came_up ? 0 : delay_ < most_delay ? delay_ : most_delay;
        delay_ = came_up ? 0 : delay == 0 ? first_delay : delay * 2;
        unready_ = came_up ? 0 : unready_ + 1;
        times_[total_++ % by.deaths] = now;
        // The place that comes next holds the oldest of the last so many.
        const bool often = total_ >= by.deaths && now - times_[total_ % by.deaths] <= by.within;
        if (!often && unready_ < by.deaths) return delay;
        total_ = unready_ = 0;
        if (level == last_level) return -1;
        return ++level, delay;
    }

private:
    Nanos times_[most_deaths] = {};
    Nanos delay_ = 0;
    int64_t total_ = 0, unready_ = 0;
};

class Keeper {
public:
    Keeper(const Options& options, Launcher& launcher) : options_{options}, launcher_{launcher} {}

    [[noreturn]] void run() {
        prepare();
        for (;;) turn();
    }

private:
    friend struct KeeperProbe;  // of a test

    void prepare() {
        ::syscall(SYS_close_range, 3U, ~0U, 0U);
        place_ = place();
        for (int fd = 0; fd < 3; ++fd)
            if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) ::open("/dev/null", O_RDWR);
        ::signal(SIGCHLD, SIG_DFL);  // ignored, as some leave it, the kernel would reap
        sigset_t ours{};             // empty
        for (const int signal : watched) ::sigaddset(&ours, signal);
        insist("block signals", [&] { return ::sigprocmask(SIG_BLOCK, &ours, nullptr); });
        signals_ = insist("watch signals", [&] {
            return moved_up(::signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC));
        });
        insist("become a subreaper", [] { return ::prctl(PR_SET_CHILD_SUBREAPER, 1UL); });
        busy_ = insist("make the timer", [] {
            return moved_up(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
        });
        launcher_.limits.raise();
        state_.create(options_.stuck, launcher_.limits.core.rlim_cur);
        custody_.create();
    }

    void start_manager() {
        int pair[2] = {-1, -1}, pid = -1;
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0) {
            socket_ = moved_up(pair[0]);
            pair[1] = moved_up(pair[1]);
        }
        ++state_.header().generation;
        const int inherited[] = {pair[1], state_.memory, state_.exits, busy_};
        if (socket_ >= 0 && pair[1] >= 0) pid = ::_Fork();
        if (pid == 0) launcher_.become(deaths_.level, inherited);
        if (pid == -1) say_cannot("start the manager"), hang_up();
        started_at_ = clock_now();
        start_at_ = pid == -1 ? started_at_ + retry_delay : never;
        pid_ = pid == -1 ? 0 : pid;
        if (pair[1] >= 0) ::close(pair[1]);
    }

    void hang_up() {
        if (socket_ >= 0) ::close(socket_);
        socket_ = giving_ = -1;
    }

    // The one place that waits.
    void turn() {
        const Nanos due = next_due();
        const bool rests = retry_at_ != never;
        pollfd from[] = {
            {signals_, POLLIN, 0},
            {socket_, static_cast<short>(giving_ >= 0 ? POLLIN | POLLOUT : POLLIN), 0},
            {kill_at_ == never ? busy_ : -1, POLLIN, 0},
        };
        const Nanos wait = due == never || due <= clock_now() ? 0 : due - clock_now();
        const timespec limit{wait / second, wait % second};
        if (::ppoll(from, rests ? 0 : 3, due == never ? nullptr : &limit, nullptr) == -1)
            trouble("wait");
        act_when_due(clock_now());
        if (rests) return;
        if (from[0].revents != 0) read_signals();
        if (reap_due_) reap_all();
        if (poke_due_) poke_due_ = !state_.poke();
        for (int i = 0; from[1].revents != 0 && i < messages_each_turn && read_message(); ++i) {
        }
        if (giving_ >= 0) give_back();
        uint64_t times = 0;
        if (from[2].revents != 0 && ::read(busy_, &times, sizeof times) == -1)
            trouble("read the timer");
        if (times > 0) end_stuck("works on one thing for too long");
        if (poke_due_) retry_at_ = clock_now() + retry_delay;
    }

    // A system call failed that will have to work the next time: not at once.
    void trouble(const char* what) {
        if (errno == EAGAIN || errno == EINTR) return;
        say_cannot(what);
        retry_at_ = clock_now() + retry_delay;
    }

    // So long a manager that is not ready is spared the signal that ends it.
    Nanos spared_until() const {
        const bool waits = (owed_ & asks_for_the_end) != 0 && owed_for_ < most_owed_for;
        return pid_ != 0 && ready_at_ == never && waits ? started_at_ + options_.stuck : never;
    }

    Nanos next_due() const {
        if ((reap_due_ || poke_due_) && retry_at_ == never) return 0;
        const Nanos all[] = {start_at_, stopped_until_, kill_at_, retry_at_, spared_until()};
        Nanos due = never;
        for (const Nanos each : all)
            if (each < due) due = each;
        return due;
    }

    void act_when_due(Nanos now) {
        if (now >= retry_at_) retry_at_ = never;
        if (now >= start_at_) start_manager();
        if (now >= stopped_until_) end_stuck("stands still");
        if (now >= kill_at_) {
            kill_at_ = now + abort_delay;  // once more, should it have failed
            signal_manager(SIGKILL);
        }
        if (now >= spared_until()) {
            owed_for_ = most_owed_for;
            send_owed();
        }
    }

    // ---- signals

    void read_signals() {
        signalfd_siginfo infos[4];
        const ssize_t got = ::read(signals_, infos, sizeof infos);
        if (got < 0) trouble("read signals");
        for (ssize_t i = 0; i < got / static_cast<ssize_t>(sizeof infos[0]); ++i) {
            const auto signal = static_cast<int>(infos[i].ssi_signo);
            if (signal == SIGCHLD) reap_due_ = true;
            if (signal != SIGCHLD && signal != SIGPIPE && signal != SIGTTOU) owed_ |= bit(signal);
        }
        // A manager that is coming up has no handler yet: it would die of it.
        if (owed_ != 0 && pid_ != 0 && ready_at_ != never) send_owed(), owed_ = 0;
    }

    void send_owed() {
        for (const int signal : watched)
            if ((owed_ & bit(signal)) != 0) signal_manager(signal);
    }

    void signal_manager(int signal) {
        for (int tries = 0; pid_ != 0 && ::kill(pid_, signal) == -1 && tries < 3; ++tries)
            say_cannot("send signal ", signal, " to the manager");
    }

    // ---- ends of processes

    bool peek(siginfo_t& info, idtype_t whom, int id, int how) {
        info.si_pid = 0;
        if (::waitid(whom, static_cast<id_t>(id), &info, how | WNOHANG) == 0)
            return info.si_pid != 0;
        if (errno != ECHILD) reap_due_ = true, trouble("look for ends");
        return false;
    }

    void reap(int pid) {
        siginfo_t info{};
        for (int tries = 0; tries < 3; ++tries) {
            if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) == 0) return;
            say_cannot("reap ", pid);
        }
    }

    void reap_all() {
        reap_due_ = false;
        siginfo_t info{};
        if (pid_ != 0 && peek(info, P_PID, pid_, WEXITED | WNOWAIT))
            manager_died(info);  // first, so that the next one comes soon
        while (pid_ != 0 && peek(info, P_PID, pid_, WSTOPPED | WCONTINUED))
            stopped_until_ = info.si_code == CLD_CONTINUED ? never : clock_now() + options_.stuck;
        for (int count = 0; peek(info, P_ALL, 0, WEXITED | WNOWAIT); ++count) {
            if (count == reaped_each_turn) return void(reap_due_ = true);
            if (info.si_pid == pid_) return void(reap_due_ = true);  // it died just now
            state_.store_exit(info.si_pid, exit_of(info));
            reap(info.si_pid);
            poke_due_ = true;
        }
    }

    void manager_died(const siginfo_t& info) {
        for (int i = 0, failed = 0; i < most_left_by_the_dead && failed < 2; ++i)
            failed += !read_message();  // the first may have been a failure that passes
        start_at_ = clock_now();
        state_.header().died_at = static_cast<uint64_t>(start_at_);
        reap(pid_);
        pid_ = 0;
        hang_up();
        const itimerspec off{};
        insist("disarm the timer", [&] { return ::timerfd_settime(busy_, 0, &off, nullptr); });
        kill_at_ = stopped_until_ = never;
        if (ended_) last_step(place_, step_, code_);
        // One that can be asked to give way is well.
        replaced_ ? void(deaths_ = {}) : count_death(info);
        replaced_ = false;
        ready_at_ = never;
        if (start_at_ <= clock_now()) start_manager();
    }

    void count_death(const siginfo_t& info) {
        const bool exited = info.si_code == CLD_EXITED, is_guest = place_ == Place::guest;
        const int code = info.si_status, level = deaths_.level;
        say("the manager ", exited ? "exited with code " : "was killed by signal ", code);
        if (ready_at_ == never) launcher_.died_untried();
        // What it was called with will not get better: 2 usage, 78 configuration.
        const bool is_first = state_.header().generation == 1 && ready_at_ == never;
        if (is_guest && is_first && exited && (code == 2 || code == 78)) ::_exit(code);

        const Nanos delay = deaths_.count(options_, start_at_, ready_at_);
        const bool is_hopeless = (owed_ & asks_for_the_end) != 0 && ++owed_for_ >= most_owed_for;
        if (delay < 0 || (is_hopeless && is_guest)) {
            say("the manager does not come up; ",
                is_guest ? "what it started lives on" : "ending all");
            last_step(place_, place_ == Place::machine ? LastStep::reboot : LastStep::exit, 1);
        }
        if (deaths_.level != level)
            say("the manager dies again and again: next with ", level_words[deaths_.level]);
        start_at_ += delay;
    }

    // ---- messages

    // False: there is none, or none will come.
    bool read_message() {
        if (socket_ < 0) return false;
        Packet packet;
        packet.type = Message{};
        packet.count = 0;
        Envelope envelope{&packet, sizeof packet, sizeof envelope.control};
        const ssize_t got = ::recvmsg(socket_, &envelope.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == ECONNRESET)
            return true;  // it died without reading all; ours follow
        if (got < 0) return trouble("hear the manager"), false;
        if (got == 0) hang_up();  // it has gone, or said nothing: that may come with descriptors
        const cmsghdr* c = CMSG_FIRSTHDR(&envelope.header);
        // Nothing but descriptors was allowed to come with it.
        const size_t fds = c != nullptr ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        const uint64_t each = packet.type == Message::reexec ? 1 : sizeof(uint64_t);
        const uint64_t bytes = offsetof(Packet, keys) + packet.count * each;
        if (static_cast<uint64_t>(got) != bytes) packet.type = Message{};
        if (got > 0 || fds > 0) act_on(packet, envelope.fds(), fds);
        return got > 0;
    }

    void act_on(const Packet& packet, const int* fds, size_t fd_count) {
        const size_t kept = packet.type == Message::keep ? packet.count : 0;
        if (kept > fd_count) say("no room for ", static_cast<int>(kept - fd_count), " descriptors");
        for (size_t i = 0; i < fd_count; ++i) custody_.keep(i < kept ? packet.keys[i] : 0, fds[i]);
        switch (packet.type) {
            case Message::keep: break;
            case Message::drop:
                for (uint32_t i = 0; i < packet.count; ++i) custody_.drop(packet.keys[i]);
                break;
            case Message::give_back: giving_ = 0; break;
            case Message::ready:
                if (ready_at_ == never) ready_at_ = clock_now();
                launcher_.took_over();
                send_owed();
                owed_ = 0, owed_for_ = 0;
                break;
            case Message::ended:
                ended_ = true;
                code_ = packet.count > 0 ? static_cast<int>(packet.keys[0]) : 0;
                step_ = packet.count > 1 ? static_cast<LastStep>(packet.keys[1]) : LastStep::exit;
                break;
            case Message::reexec:
                launcher_.upgrade(reinterpret_cast<const char*>(packet.keys), packet.count);
                replaced_ = true;
                kill_at_ = 0;
                act_when_due(clock_now());
                break;
            default: say("the manager says what is not understood"); break;
        }
    }

    void give_back() {
        for (int i = 0; i < messages_each_turn && giving_ >= 0; ++i) {
            Packet packet;
            Envelope envelope{&packet, 0, 0};
            const int next = custody_.list(giving_, packet, envelope.fds());
            packet.type = packet.count > 0 ? Message::fds : Message::fds_end;
            envelope.seal(packet.count);
            if (::sendmsg(socket_, &envelope.header, MSG_DONTWAIT | MSG_NOSIGNAL) == -1) {
                if (errno == EPIPE) giving_ = -1;
                return trouble("give descriptors back");
            }
            giving_ = packet.count > 0 ? next : -1;
        }
    }

    // ---- a manager that is stuck

    void end_stuck(const char* why) {
        stopped_until_ = never;
        if (kill_at_ != never) return;
        say("the manager ", why, ": ending it");
        kill_at_ = clock_now() + abort_delay;
        signal_manager(SIGABRT);
        signal_manager(SIGCONT);  // one that is stopped would not hear it
    }

    const Options& options_;
    Launcher& launcher_;
    Place place_ = Place::guest;
    State state_;
    Custody custody_;
    Deaths deaths_;
    int signals_ = -1, busy_ = -1, socket_ = -1;

    // Of the manager there is.
    int pid_ = 0, code_ = 0;
    Nanos started_at_ = 0, ready_at_ = never;
    bool replaced_ = false;  // it asked for reexec: its death is none
    bool ended_ = false;     // with the code and the step
    LastStep step_ = LastStep::exit;
    int giving_ = -1;    // the descriptor to go on from; -1: nothing was asked
    uint64_t owed_ = 0;  // signals that wait for a manager that is ready …
    int owed_for_ = 0;   // … and the deaths since the end was asked for

    // What is due when.
    Nanos start_at_ = 0, stopped_until_ = never, kill_at_ = never, retry_at_ = never;
    bool reap_due_ = true, poke_due_ = false;
};

}  // namespace

}  // namespace reeve::init

int main(int argc, char** argv, char** environment) {
    using namespace reeve::init;
    Options options;
    take_options(argv + 1, options);
    // On the stack of main, which is as good as for ever: there is no heap.
    size_t count = 0;
    while (environment[count] != nullptr) ++count;
    auto** words = static_cast<char**>(
        __builtin_alloca((static_cast<size_t>(argc) + count + 4) * sizeof(char*)));
    auto** variables = words + argc + 2;
    char** to = words + 2;
    for (char** from = argv + 1; (*to++ = *from) != nullptr; ++from) {
    }
    Line ours;
    ours.add("REEVE_KEEPER="), ours.add(::getpid());
    *variables = ours.text;
    to = variables + 1;
    for (; (*to = *environment) != nullptr; ++environment)
        if (::strncmp(*environment, "REEVE_KEEPER=", 13) != 0) ++to;
    static Launcher launcher{words, variables, options.manager_core != 0};
    static Keeper keeper{options, launcher};
    keeper.run();
}
