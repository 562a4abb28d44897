// The other half of Runs: what processes do by themselves, turned into events of the core.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "daemon/runs.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve {

// ── readiness ──────────────────────────────────────────────────────────────────────────────────

// `there`: the socket that an earlier manager made; none: a new one.
void Runs::open_notify(core::UnitId unit, Live& live, posix::Fd there) {
    const std::string path = places_.runtime_dir + "/notify/" + live.definition->name;
    const auto handler = [this, unit, run = live.run](const os::NotifyMessage& m,
                                                      const os::NotifySender& s) {
        on_notify(unit, run, m, s);
    };
    try {
        if (there) {
            live.notify = std::make_unique<os::NotifySocket>(loop_, std::move(there), handler);
            return;
        }
        live.notify = std::make_unique<os::NotifySocket>(loop_, path, handler);
        keep(unit, live.run, init::Kind::notify_socket, live.notify->get());
    } catch (const std::system_error& e) {
        // It goes on without: a service that needs it will not be ready in time, and says so.
        log::warn("unit {}: cannot make its notify socket {}: {}", live.definition->name, path,
                  e.what());
    }
}

void Runs::open_ready_pipe(core::UnitId unit, Live& live) {
    int ends[2];
    posix::check(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), "make the pipe of its ready-fd");
    live.ready_write = posix::Fd{ends[1]};
    // The child's end blocks, as s6 gives it.
    ::fcntl(live.ready_write.get(), F_SETFL, 0);
    keep(unit, live.run, init::Kind::ready_pipe, ends[0]);
    watch_ready(unit, live, posix::Fd{ends[0]});
}

void Runs::watch_ready(core::UnitId unit, Live& live, posix::Fd pipe) {
    live.ready_read = std::move(pipe);
    loop_.watch(
        live.ready_read.get(), EPOLLIN,
        [this, unit, run = live.run](std::uint32_t) { read_ready(unit, run); }, "ready-fd");
}

namespace {

struct ReadySaid {
    bool newline = false, closed = false;
};

ReadySaid read_from(int pipe) {
    char buffer[4096];
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    return {got > 0 && std::find(buffer, buffer + got, '\n') != buffer + got, got == 0};
}

// Takes nothing out of the pipe: what it says is to be recorded before. Where that cannot be, for
// want of descriptors or memory, to know it now is worth more than that a successor would.
ReadySaid look_into(int pipe) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return read_from(pipe);
    const posix::Fd out{ends[0]}, in{ends[1]};
    const ssize_t n = ::tee(pipe, in.get(), 4096, SPLICE_F_NONBLOCK);
    if (n == -1 && errno != EAGAIN) return read_from(pipe);
    if (n <= 0) return {false, n == 0};
    return {read_from(out.get()).newline, false};
}

}  // namespace

void Runs::read_ready(core::UnitId unit, core::RunId run) {
    Live* live = find(unit, run);
    if (!live || !live->ready_read) return;
    const int pipe = live->ready_read.get();
    const ReadySaid said = look_into(pipe);
    if (said.newline) {
        core::Notified news{};
        news.unit = unit;
        news.run = run;
        news.ready = true;
        tell_.event(news);
    }
    // Closed: our own copy of the write end is let go once the child has it.
    if (said.newline || said.closed) {
        loop_.unwatch(pipe);
        live->ready_read = posix::Fd{};
        drop(unit, run, init::Kind::ready_pipe);
    } else {
        char rest[4096];
        while (::read(pipe, rest, sizeof rest) > 0) {
        }
    }
}

// Each unit has a socket of its own, so the path already says whose it is. A sender that is still
// there must be of the unit; one that has gone (`systemd-notify`) is judged by its user.
bool Runs::may_notify(core::UnitId unit, const Live& live, const os::NotifySender& sender) const {
    const auto& service = *live.definition->service;
    const pid_t main = main_pid(unit, live);
    switch (service.notify_access) {
        case units::NotifyAccess::none: return false;
        case units::NotifyAccess::main: return sender.pid != 0 && sender.pid == main;
        case units::NotifyAccess::exec:
            return sender.pid != 0 &&
                   (sender.pid == main || sender.pid == children_.pid_of(live.control));
        case units::NotifyAccess::all: break;
    }
    if (sender.pid != 0 && containment_.contains(unit, live.run, sender.pid)) return true;
    const bool gone = sender.pid == 0 || (::kill(sender.pid, 0) == -1 && errno == ESRCH);
    if (!gone) return false;
    if (sender.uid == 0 || sender.uid == ::geteuid()) return true;
    const auto& around = *service.surroundings;
    std::string why;
    const os::Account* account = around.user.empty() && around.group.empty()
                                     ? nullptr
                                     : accounts_.find(around.user, around.group, why);
    return account && account->identity.uid == sender.uid;
}

void Runs::on_notify(core::UnitId unit, core::RunId run, const os::NotifyMessage& message,
                     const os::NotifySender& sender) {
    Live* live = find(unit, run);
    if (!live) return;
    if (!may_notify(unit, *live, sender)) {
        log::warn("unit {}: notify message of process {} refused (notify-access = \"{}\")",
                  live->definition->name, sender.pid,
                  to_string(live->definition->service->notify_access));
        return;
    }
    if (message.main_pid && containment_.contains(unit, run, *message.main_pid) &&
        *message.main_pid != children_.main_of(unit, run) &&
        *message.main_pid != children_.pid_of(live->main) &&
        children_.watch_main(unit, run, *message.main_pid)) {
        live->main_found = true;
        tell_.event(core::MainFound{unit, run});
    }
    if (message.status) {
        live->seldom.edit().status = *message.status;
        tell_.status(unit, run, *message.status);
    }
    core::Notified news{};
    news.unit = unit;
    news.run = run;
    news.ready = message.ready;
    news.reloading = message.reloading;
    news.stopping = message.stopping;
    news.watchdog = message.watchdog;
    news.watchdog_trigger = message.watchdog_trigger;
    if (message.extend) news.extend = *message.extend;
    if (message.error) news.error = *message.error;
    tell_.event(news);
    if (message.status || message.main_pid) tell_.facts_changed(unit);
}

// ── children ───────────────────────────────────────────────────────────────────────────────────

void Runs::on_news(const os::ChildNews& news) {
    std::visit([this](const auto& each) { on(each); }, news);
    start_next();
}

void Runs::on(const os::Started& news) {
    under_way_.erase(news.process);
    Live* live = find(news.process.unit, news.process.run);
    if (!live) return;
    no_hindrance(*live);
    containment_.joined(news.process.unit, news.process.run, children_.pid_of(news.process));
    const bool is_main = news.process == live->main;
    if (is_main) live->ready_write = posix::Fd{};  // the child has its own copy now
    tell_.event(core::Spawned{news.process});
    if (is_main) tell_.facts_changed(news.process.unit);
}

void Runs::on(const os::NotStarted& news) {
    under_way_.erase(news.process);
    Live* live = find(news.process.unit, news.process.run);
    if (!live) return;
    no_hindrance(*live);
    if (news.unborn) containment_.killed_at_birth();
    std::string stage{to_string(news.stage)};
    if (!news.path.empty()) stage += " " + news.path;
    tell_.event(core::SpawnFailed{news.process, std::move(stage), news.error,
                                  is_empty(news.process.unit, news.process.run)});
    after_end(news.process.unit, news.process.run);
}

void Runs::on(const os::Ended& news) {
    const core::UnitId unit = news.process.unit;
    Live* live = find(unit, news.process.run);
    if (!live) return;
    if (live->notify) live->notify->drain();
    read_ready(unit, news.process.run);
    const bool is_main = news.process == live->main;
    if (is_main) live->last_exit = news.status;
    const bool oom = news.status.signal == SIGKILL && containment_.oom_killed(unit);
    tell_.event(core::Exited{news.process, news.status, oom, is_empty(unit, news.process.run)});
    after_end(unit, news.process.run);
}

void Runs::on(const os::MainEnded& news) {
    Live* live = find(news.unit, news.run);
    if (!live) return;
    if (live->notify) live->notify->drain();
    live->main_found = false;
    live->last_exit = news.status;
    const bool oom = news.status.signal == SIGKILL && containment_.oom_killed(news.unit);
    tell_.event(
        core::MainExited{news.unit, news.run, news.status, oom, is_empty(news.unit, news.run)});
    after_end(news.unit, news.run);
}

// Known at the very end of a process, it spares the core a round of signals to nobody.
bool Runs::is_empty(core::UnitId unit, core::RunId run) const {
    return containment_.is_empty(unit, run);
}

// A process of the run has ended: whoever waits for emptiness or for the eldest looks again.
void Runs::after_end(core::UnitId unit, core::RunId run) {
    if (!find(unit, run)) return;
    containment_.after_reap();
    containment_.watch_empty(unit, run);
    main_finder_.look_again(unit);
    tell_.facts_changed(unit);
}

void Runs::on(const os::OrphanReaped&) {
    containment_.after_reap();
}

void Runs::on(const os::SpawnHangs& news) {
    Live* live = find(news.process.unit, news.process.run);
    if (!live) return;
    no_hindrance(*live);
    if (!news.over) {
        live->seldom.edit().hindrance = "starting: exec of " + news.path + " hangs";
        log::warn("unit {}: {}", live->definition->name, live->seldom->hindrance);
    }
    tell_.facts_changed(news.process.unit);
}

}  // namespace reeve
