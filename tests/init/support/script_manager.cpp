// A manager that does what a test tells it: words come in on the socket KEEPER_TEST, each line is
// answered with one. It lives as long as that socket.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/os/custodian.hpp"
#include "hal/posix/check.hpp"

using reeve::os::Custodian;
using reeve::posix::check;
using reeve::posix::Fd;

namespace {

constexpr int patience = 20'000;  // ms

std::string text_of(int fd) {
    std::array<char, 64> text{};
    const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
    return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

// Lives for a minute, or until SIGUSR1, at which it exits with the code.
pid_t start_child(int code) {
    static int exit_code;
    exit_code = code;
    const pid_t pid = check(::fork(), "fork");
    if (pid > 0) return pid;
    ::signal(SIGUSR1, [](int) { ::_exit(exit_code); });
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::alarm(60);
    for (;;) ::pause();
}

class Script {
public:
    Script(Custodian& custodian, const std::string& hello) : custodian_{custodian} {
        sigset_t all;
        ::sigemptyset(&all);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2})
            ::sigaddset(&all, signal);
        ::sigprocmask(SIG_BLOCK, &all, nullptr);
        signals_ = Fd{check(::signalfd(-1, &all, SFD_CLOEXEC), "signalfd")};
        control_ = Fd{check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket")};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, std::getenv("KEEPER_TEST"), sizeof address.sun_path - 1);
        check(::connect(control_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
              "connect");
        answer(hello);
    }

    void run() {
        std::array<char, 4096> line{};
        for (;;) {
            const ssize_t got = ::recv(control_.get(), line.data(), line.size(), 0);
            if (got <= 0) ::_exit(0);
            std::istringstream words{std::string{line.data(), static_cast<std::size_t>(got)}};
            std::string verb;
            words >> verb;
            answer(verbs_.at(verb)(words));
        }
    }

private:
    using Words = std::istringstream;

    void answer(const std::string& text) {
        check(::send(control_.get(), text.data(), text.size(), MSG_NOSIGNAL), "answer");
    }
    template <class T>
    static T next(Words& words) {
        T value{};
        words >> value;
        return value;
    }
    // Until all has been sent.
    std::string sent() {
        while (custodian_.busy()) {
            pollfd room{custodian_.socket_fd(), POLLOUT, 0};
            ::poll(&room, 1, patience);
            custodian_.flush();
        }
        return "done";
    }
    std::string wait_for(int fd) {
        pollfd news{fd, POLLIN, 0};
        return ::poll(&news, 1, patience) == 1 ? "" : "nothing came";
    }

    std::string keep(Words& words) {
        const auto key = next<std::uint64_t>(words);
        const auto text = next<std::string>(words);
        const Fd file{check(::memfd_create("kept", MFD_CLOEXEC), "memfd_create")};
        check(::write(file.get(), text.data(), text.size()), "write");
        custodian_.keep(key, file.get());
        return sent();
    }
    std::string keep_many(Words& words) {
        const auto first = next<std::uint64_t>(words);
        const auto count = next<std::uint64_t>(words);
        const Fd null{check(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open")};
        std::vector<Custodian::Kept> all;
        for (auto key = first; key < first + count; ++key) all.push_back({key, null.get()});
        custodian_.keep(all);
        return sent();
    }
    std::string take_back(bool counted) {
        const auto all = custodian_.take_back(std::chrono::milliseconds{patience});
        if (counted) return std::to_string(all.size());
        std::string list;
        for (const auto& [key, fd] : all)
            list += std::to_string(key) + "=" + text_of(fd.get()) + " ";
        return list;
    }
    std::string spawn(Words& words) {
        const auto index = next<std::uint32_t>(words);
        const pid_t pid = start_child(next<int>(words));
        if (!custodian_.grow(index + 1)) return "no room";
        reeve::state::Slot& slot = custodian_.slots()[index];
        slot.unit = index;
        slot.exit = 0;
        slot.pid = pid;
        std::atomic_ref{slot.use}.store(reeve::state::Use::step, std::memory_order_release);
        auto& header = custodian_.header();
        if (header.slots <= index) std::atomic_ref{header.slots}.store(index + 1);
        return std::to_string(pid);
    }
    // Waits for the exit of a slot, and prints it.
    std::string exit_of(Words& words) {
        std::atomic_ref exit{custodian_.slots()[next<std::uint32_t>(words)].exit};
        while (exit == 0) {
            custodian_.exits_seen();
            if (exit != 0) break;
            if (auto trouble = wait_for(custodian_.exits_fd()); !trouble.empty()) return trouble;
        }
        return std::to_string(exit & ~reeve::state::exit_known);
    }
    // Waits until so many exits were not placed, and prints the last.
    std::string unplaced(Words& words) {
        const auto wanted = next<std::uint64_t>(words);
        auto& header = custodian_.header();
        const std::atomic_ref count{header.next_unplaced};
        while (count < wanted) {
            custodian_.exits_seen();
            if (count >= wanted) break;
            if (auto trouble = wait_for(custodian_.exits_fd()); !trouble.empty()) return trouble;
        }
        const auto& last = header.unplaced[(count - 1) % reeve::state::unplaced_kept];
        return std::to_string(last.pid) + " " +
               std::to_string(last.exit & ~reeve::state::exit_known) + " " +
               std::to_string(last.start_time > 0);
    }
    std::string signal_came() {
        if (auto trouble = wait_for(signals_.get()); !trouble.empty()) return trouble;
        signalfd_siginfo info{};
        check(::read(signals_.get(), &info, sizeof info), "read");
        return std::to_string(info.ssi_signo);
    }
    // Packets that mean nothing, of every type and size, with descriptors or not.
    std::string flood(Words& words) {
        const auto count = next<unsigned>(words);
        std::array<char, 2048> junk{};
        for (unsigned i = 0; i < count; ++i) {
            for (std::size_t at = 0; at < 64; ++at) junk[at] = static_cast<char>(i % 8 * 31 + at);
            const unsigned types[] = {1, 2, 1, 2, 9, 0, 16, 77};
            std::memcpy(junk.data(), &types[i % 8], sizeof types[0]);
            const unsigned keys = i % 7;
            if (i % 3 == 0) std::memcpy(junk.data() + 4, &keys, sizeof keys);
            iovec part{junk.data(), i % 3 == 0 ? 8 + keys * 8 : 1 + i % 2000};
            alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 4)> control{};
            msghdr header{};
            header.msg_iov = &part;
            header.msg_iovlen = 1;
            if (i % 2 == 0) {
                header.msg_control = control.data();
                header.msg_controllen = control.size();
                cmsghdr* c = CMSG_FIRSTHDR(&header);
                *c = {CMSG_LEN(sizeof(int) * 4), SOL_SOCKET, SCM_RIGHTS};
                const int fds[] = {0, 1, 2, control_.get()};
                std::memcpy(CMSG_DATA(c), fds, sizeof fds);
            }
            while (::sendmsg(custodian_.socket_fd(), &header, MSG_NOSIGNAL) == -1 &&
                   (errno == EAGAIN || errno == ETOOMANYREFS)) {
                pollfd room{custodian_.socket_fd(), POLLOUT, 0};
                ::poll(&room, 1, patience);
            }
        }
        return "done";
    }
    std::string limits() {
        rlimit files{}, core{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        ::getrlimit(RLIMIT_CORE, &core);
        return std::to_string(files.rlim_cur) + " " + std::to_string(core.rlim_cur) + " " +
               std::to_string(custodian_.header().core_limit);
    }

    Custodian& custodian_;
    Fd signals_, control_;
    std::map<std::string, std::function<std::string(Words&)>> verbs_{
        {"keep", [this](Words& w) { return keep(w); }},
        {"keep-many", [this](Words& w) { return keep_many(w); }},
        {"drop", [this](Words& w) { return custodian_.drop(next<std::uint64_t>(w)), sent(); }},
        {"back", [this](Words&) { return take_back(false); }},
        {"count", [this](Words&) { return take_back(true); }},
        {"ready", [this](Words&) { return custodian_.ready(), sent(); }},
        {"spawn", [this](Words& w) { return spawn(w); }},
        {"stray", [](Words& w) { return std::to_string(start_child(next<int>(w))); }},
        {"exit-of", [this](Words& w) { return exit_of(w); }},
        {"unplaced", [this](Words& w) { return unplaced(w); }},
        {"begin", [this](Words&) { return custodian_.work_begins(), "done"; }},
        {"end", [this](Words&) { return custodian_.work_ends(), "done"; }},
        {"batches",
         [this](Words& w) {
             for (int i = next<int>(w); i > 0; --i)
                 custodian_.work_begins(), custodian_.work_ends();
             return "done";
         }},
        {"signal", [this](Words&) { return signal_came(); }},
        {"ended", [this](Words& w) { return custodian_.ended(next<int>(w)), sent(); }},
        {"reexec", [this](Words& w) { return custodian_.reexec(next<std::string>(w)), sent(); }},
        {"exit", [](Words& w) -> std::string { ::_exit(next<int>(w)); }},
        {"flood", [this](Words& w) { return flood(w); }},
        {"limits", [this](Words&) { return limits(); }},
        {"shrink",
         [this](Words&) { return ::ftruncate(custodian_.state_fd(), 0) == 0 ? "yes" : "no"; }},
        {"room",
         [this](Words& w) { return custodian_.grow(next<std::uint32_t>(w)) ? "yes" : "no"; }},
        {"use",
         [this](Words& w) {
             custodian_.header().slots = next<std::uint32_t>(w);
             return "done";
         }},
        {"fds",
         [this](Words&) {
             return std::to_string(
                 std::min({custodian_.socket_fd(), custodian_.state_fd(), custodian_.exits_fd()}));
         }},
    };
};

}  // namespace

int main(int argc, char** argv) {
    const auto custodian = Custodian::inherited();
    if (!custodian || std::getenv("KEEPER_TEST") == nullptr) return 3;
    std::string hello =
        std::to_string(::getpid()) + " " + std::to_string(custodian->header().generation);
    for (int i = 1; i < argc; ++i) hello += std::string{" "} + argv[i];
    Script{*custodian, hello}.run();
}
