// A keeper (the test's process) with its state, and managers one after another, each a child that
// is killed. They tell what they hear in lines.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/os/children.hpp"
#include "daemon/os/process_stat.hpp"
#include "daemon/os/process_tree.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "tests/os/support/children_bench.hpp"

namespace reeve::os::testing {

inline core::ProcessRef ref(std::uint32_t id) {
    return {core::UnitId{id}, core::RunId{id}, 0};
}
inline SpawnPlan shell_plan(const std::string& script) {
    SpawnPlan plan;
    plan.argv = {"/bin/sh", "-c", script};
    plan.env = {"PATH=/usr/bin:/bin"};
    return plan;
}

// What a manager is made of; lives in a child of the test.
class Manager {
public:
    Manager(int state, int exits, int lines, bool with_slots)
        : lines_{lines},
          slots{state},
          children{loop, [this](const ChildNews& news) { tell(news); },
                   with_slots ? &slots : nullptr} {
        loop.watch(exits, EPOLLIN, [this, exits](std::uint32_t) {
            std::uint64_t count = 0;
            (void)!::read(exits, &count, sizeof count);
            children.exits_stored();
        });
    }

    void say(const std::string& line) const {
        const std::string text = line + "\n";
        (void)!::write(lines_, text.data(), text.size());
    }
    TakenOver::Found adopt(state::Slot& slot, bool started = true, bool belongs = true) {
        static const char* const names[] = {"never begun", "ended", "ending", "before exec",
                                            "running"};
        const std::string id = std::to_string(slot.unit);
        const auto found = children.adopt(slot, started, [=](pid_t) { return belongs; });
        say("found " + id + " " + names[static_cast<int>(found)]);
        return found;
    }
    void adopt_all(bool started = true, bool belongs = true) {
        std::vector<state::Slot*> used;
        slots.for_each_used([&](state::Slot& slot) { used.push_back(&slot); });
        for (state::Slot* const slot : used) adopt(*slot, started, belongs);
    }
    [[noreturn]] void run() {
        for (;;) sd_event_run(loop.get(), 1'000'000);
    }

    std::function<void(const ChildNews&)> on_news = [](const ChildNews&) {};

private:
    static std::string text(const core::ExitStatus& status) {
        if (status.unknown) return "unknown";
        return status.signal != 0 ? "signal " + std::to_string(status.signal)
                                  : "code " + std::to_string(status.code);
    }
    static std::string id(core::UnitId unit) {
        return std::to_string(static_cast<std::uint32_t>(unit));
    }
    void tell(const ChildNews& news) {
        if (const auto* n = std::get_if<Started>(&news)) say("started " + id(n->process.unit));
        if (const auto* n = std::get_if<NotStarted>(&news))
            say("not started " + id(n->process.unit) + " " + std::string{to_string(n->stage)} +
                " " + std::to_string(n->error));
        if (const auto* n = std::get_if<Ended>(&news))
            say("ended " + id(n->process.unit) + " " + text(n->status));
        if (const auto* n = std::get_if<MainEnded>(&news))
            say("main ended " + id(n->unit) + " " + text(n->status));
        on_news(news);
    }

    int lines_;

public:
    Loop loop;
    Slots slots;
    Children children;
};

class KeeperBench : public ::testing::Test {
protected:
    KeeperBench() {
        reap_leftovers();
        posix::check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "become a subreaper");
        posix::check(::ftruncate(file.get(), state::slots_at), "size the state");
        state::Header header{};
        header.magic = state::magic;
        header.layout = state::layout_version;
        header.keeper_pid = static_cast<std::uint32_t>(::getpid());
        (void)!::pwrite(file.get(), &header, sizeof header, 0);
        memory_.emplace(file.get());
        int ends[2];
        posix::check(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe");
        lines_ = posix::Fd{ends[0]};
        to_lines_ = posix::Fd{ends[1]};
    }
    ~KeeperBench() override {
        reaps = true;
        kill_manager();
        for (const ProcessInfo& each : descendants()) ::kill(each.id.pid, SIGKILL);
        while (::waitpid(-1, nullptr, 0) > 0) continue;
    }

    // Returns at once; the manager does `body`, then what its loop tells it to.
    void start_manager(const std::function<void(Manager&)>& body, bool with_slots = true) {
        manager_ = posix::check(::fork(), "fork");
        if (manager_ != 0) return;
        try {
            in_manager();
            Manager manager{file.get(), exits_.get(), to_lines_.get(), with_slots};
            body(manager);
            manager.run();
        } catch (const std::exception& e) {
            (void)!::write(2, e.what(), std::strlen(e.what()));
            ::_exit(99);
        }
    }
    // Its children come to us.
    void kill_manager() {
        if (manager_ <= 0) return;
        ::kill(manager_, SIGKILL);
        ::waitpid(manager_, nullptr, 0);
        manager_ = 0;
    }

    // Peeks, stores, reaps, tells.
    void keep() {
        for (siginfo_t info{}; reaps; info = {}) {
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return;
            if (info.si_pid == 0 || info.si_pid == manager_) return;
            const pid_t pid = info.si_pid;
            const auto exit = info.si_code == CLD_EXITED
                                  ? state::exited(static_cast<unsigned>(info.si_status))
                                  : state::killed(static_cast<unsigned>(info.si_status), false);
            place(pid, exit);
            ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
            const std::uint64_t one = 1;
            (void)!::write(exits_.get(), &one, sizeof one);
        }
    }

    // Keeps, until `holds`.
    template <class Holds>
    bool until(Holds holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) return false;
            keep();
            pollfd entry{lines_.get(), POLLIN, 0};
            ::poll(&entry, 1, 1);
            read_lines();
        }
        return true;
    }
    // Until a manager has said so.
    ::testing::AssertionResult says(const std::string& line) {
        if (until([&] { return count(line) > 0; })) return ::testing::AssertionSuccess();
        auto failed = ::testing::AssertionFailure() << "nobody said \"" << line << "\", but:";
        for (const auto& each : said) failed << "\n  " << each;
        return failed;
    }
    [[nodiscard]] int count(const std::string& line) const {
        return static_cast<int>(std::count(said.begin(), said.end(), line));
    }

    state::Slot& slot_at(std::uint32_t index) {
        return *reinterpret_cast<state::Slot*>(reinterpret_cast<char*>(&memory_->header()) +
                                               state::slots_at + index * sizeof(state::Slot));
    }
    state::Header& header() { return memory_->header(); }
    [[nodiscard]] pid_t manager() const { return manager_; }

    posix::Fd file{::memfd_create("state", MFD_CLOEXEC)};
    bool reaps = true;
    std::function<void()> in_manager = [] {};  // first of all in each
    std::vector<std::string> said;

private:
    void place(pid_t pid, state::Exit exit) {
        for (std::uint32_t i = 0; i < memory_->header().slots; ++i) {
            state::Slot& slot = slot_at(i);
            if (slot.use == state::Use::free || slot.pid != pid || exit_in(slot) != 0) continue;
            std::atomic_ref{slot.exit}.store(exit);
            return;
        }
        const auto stat = read_process_stat(pid);
        state::Header& head = memory_->header();
        head.unplaced[head.next_unplaced % state::unplaced_kept] = {
            pid, 0, stat ? stat->start_time : 0, exit};
        ++head.next_unplaced;
    }
    void read_lines() {
        char buffer[4096];
        for (ssize_t n = 0; (n = ::read(lines_.get(), buffer, sizeof buffer)) > 0;)
            rest_.append(buffer, static_cast<std::size_t>(n));
        for (std::size_t end = 0; (end = rest_.find('\n')) != rest_.npos;) {
            said.push_back(rest_.substr(0, end));
            rest_.erase(0, end + 1);
        }
    }

    std::optional<Slots> memory_;
    posix::Fd exits_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    posix::Fd lines_, to_lines_;
    std::string rest_;
    pid_t manager_ = 0;
};

}  // namespace reeve::os::testing
