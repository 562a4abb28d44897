#include "daemon/os/log_follower.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace reeve::os {

namespace {
constexpr std::uint64_t bytes_per_turn = 16 << 10;
}

LogFollower::LogFollower(Loop& loop, Start start, posix::Fd pipe,
                         std::function<void(const LogFollower*)> gone)
    : loop_{loop},
      state_{std::move(start)},
      pipe_{std::move(pipe)},
      gone_{std::move(gone)},
      moved_{Loop::now()} {
    watch(EPOLLOUT);
}

LogFollower::~LogFollower() {
    loop_.unwatch(pipe_.get());
}

// With 0 it still hears EPOLLERR: the other end was closed.
void LogFollower::watch(std::uint32_t events) {
    loop_.unwatch(pipe_.get());
    watched_ = events;
    loop_.watch(pipe_.get(), events, [this](std::uint32_t came) {
        if ((came & EPOLLERR) == 0) return pump();
        const auto gone = gone_;  // it destroys us
        gone(this);
    });
}

bool LogFollower::wake(core::UnitId unit, const std::string& name,
                       const std::shared_ptr<const LogRing>& ring) {
    if (!state_.units.empty() && std::ranges::find(state_.units, unit) == state_.units.end())
        return true;
    const auto known = std::ranges::find(state_.readers, unit, &LogReader::unit);
    if (known == state_.readers.end())
        state_.readers.push_back({unit, name, ring, ring->oldest(), {}});
    else if (known->ring != ring)
        *known = {unit, name, ring, ring->oldest(), {}};
    if (watched_ != 0) return Loop::now() - moved_ < state_.patience;
    moved_ = Loop::now();
    watch(EPOLLOUT);
    return true;
}

// False: nothing is left to read.
bool LogFollower::fill() {
    bool complete = true;
    for (LogReader& reader : state_.readers) {
        const auto emit = [&](const LogLine& line) {
            if (state_.run == 0 || line.run == state_.run)
                append_log_line(state_.text, reader.name, line);
        };
        complete &= reader.read_on(bytes_per_turn / state_.readers.size() + 1, emit);
    }
    if (state_.text.empty()) moved_ = Loop::now();  // nothing keeps it from reading on
    return !complete || !state_.text.empty();
}

// False: the pipe is full, or broken (EPOLLERR tells).
bool LogFollower::send() {
    const std::string_view rest = std::string_view{state_.text}.substr(sent_);
    const ssize_t put =
        ::write(pipe_.get(), rest.data(), std::min<std::size_t>(rest.size(), 65536));
    if (put <= 0) return false;
    moved_ = Loop::now();
    sent_ += static_cast<std::size_t>(put);
    if (sent_ < state_.text.size()) return false;
    state_.text = {};
    sent_ = 0;
    return true;
}

void LogFollower::pump() {
    if (state_.text.empty() && !fill()) return watch(0);
    if (!state_.text.empty()) send();
}

}  // namespace reeve::os
