#include "daemon/successor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>

#include "daemon/core/engine.hpp"
#include "daemon/journal/recover.hpp"
#include "daemon/journal/snapshot.hpp"
#include "daemon/os/helper.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"

namespace reeve {

namespace {

constexpr std::chrono::seconds patience{5};
constexpr std::string_view can = "can take over\n";

std::string read_answer(int pipe, pid_t asked) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + patience;
    std::string answer;
    for (char buffer[512];;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd readable{pipe, POLLIN, 0};
        if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) == 0) {
            ::kill(asked, SIGKILL);
            return "does not answer --check-state within 5 s\n";
        }
        const ssize_t got = ::read(pipe, buffer, sizeof buffer);
        if (got == 0 || (got < 0 && errno != EINTR) || answer.size() > 4096) return answer;
        if (got > 0) answer.append(buffer, static_cast<std::size_t>(got));
    }
}

void read_state(int state) {
    const void* const mapped =
        ::mmap(nullptr, sizeof(state::Header), PROT_READ, MAP_SHARED, state, 0);
    if (mapped == MAP_FAILED)
        throw std::system_error{errno, std::generic_category(), "map the state"};
    const auto found = journal::recover(state, *static_cast<const state::Header*>(mapped));
    if (!found.snapshot) throw std::invalid_argument{"there is no state to take over"};
    const auto snapshot = journal::snapshot_from_bytes(*found.snapshot);
    static_cast<void>(core::Engine::load({}, snapshot.definitions, snapshot.engine));
}

}  // namespace

std::string ask_successor(const std::string& binary, int state) {
    try {
        int ends[2];
        posix::check(::pipe2(ends, O_CLOEXEC), "make a pipe");
        const posix::Fd out{ends[0]};
        posix::Fd in{ends[1]};
        const pid_t asked = os::spawn_helper({binary, "--check-state"}, state, in.get());
        in = {};
        const std::string answer = read_answer(out.get(), asked);
        if (answer == can) return {};
        const std::string why = answer.substr(0, answer.find('\n'));
        return binary + ": " + (why.empty() ? "does not know --check-state" : why);
    } catch (const std::exception& e) {
        return e.what();
    }
}

int answer_as_successor() {
    try {
        read_state(STDIN_FILENO);
        return std::fputs(can.data(), stdout) < 0;
    } catch (const std::exception& e) {
        std::puts(e.what());
        return 1;
    }
}

}  // namespace reeve
