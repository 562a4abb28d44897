#include "daemon/os/main_finder.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "daemon/os/path_events.hpp"
#include "daemon/os/process_stat.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

namespace {

// A process, or why there is none yet.
struct Finding {
    pid_t pid = 0;
    std::string why;
};

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// What the PID file says; a FIFO or a device in its place must not hold us up.
Finding read_pid_file(const std::string& path) {
    const auto say = [&](std::string_view what) {
        return fmt::format("PID file {} {}", path, what);
    };
    const posix::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file && errno == ENOENT) return {0, say("does not exist")};
    if (!file) return {0, say(fmt::format("cannot be read: {}", std::strerror(errno)))};
    struct stat kind {};
    if (::fstat(file.get(), &kind) != 0 || !S_ISREG(kind.st_mode)) return {0, say("is no file")};
    std::array<char, 64> buffer;
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return {0, say(fmt::format("cannot be read: {}", std::strerror(errno)))};
    std::string_view text{buffer.data(), static_cast<std::size_t>(got)};
    const std::size_t line = text.find('\n');  // some write more lines, for themselves
    const bool cut = line == text.npos && text.size() == buffer.size();
    text = trim(text.substr(0, line));
    if (text.empty()) return {0, say("is empty")};
    Finding found;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), found.pid);
    if (error != std::errc{} || end != text.data() + text.size() || found.pid <= 0 || cut)
        return {0, say("holds no process number")};
    return found;
}

// Its own word is not enough: whoever it names must run, and be of this run.
Finding judge(const MainFinder::Search& search, const Finding& named) {
    if (named.pid == 0) return named;
    const auto say = [&](std::string_view what) {
        return Finding{0, fmt::format("PID file {} names process {}, which {}", search.pid_file,
                                      named.pid, what)};
    };
    const auto stat = read_process_stat(named.pid);
    if (!stat || stat->ended()) return say("does not run");
    if (!search.belongs(named.pid)) return say("is not of this unit");
    return named;
}

// The only process left, or the one that started first.
Finding from_members(const MainFinder::Search& search) {
    Finding eldest;
    std::uint64_t since = 0;
    for (const pid_t pid : search.members()) {
        const auto stat = read_process_stat(pid);
        if (!stat || stat->ended()) continue;
        const bool earlier =
            stat->start_time < since || (stat->start_time == since && pid < eldest.pid);
        if (eldest.pid != 0 && !earlier) continue;
        eldest.pid = pid;
        since = stat->start_time;
    }
    if (eldest.pid == 0) eldest.why = "no process of the unit is left";
    return eldest;
}

struct Running {
    MainFinder::Search search;
    std::optional<PathEvents::Watch> watch;
    std::string why;  // as it was told last
};

}  // namespace

struct MainFinder::Impl : std::enable_shared_from_this<MainFinder::Impl> {
    Impl(Loop& on, Found to) : loop{on}, found{std::move(to)}, events{on} {}

    PathEvents::Look look_at_file(const Search& search);
    void look_at_members(core::UnitId unit, core::RunId run);
    void tell(core::UnitId unit, const Finding& now);
    Running* find(core::UnitId unit, core::RunId run);
    void end(core::UnitId unit);

    Loop& loop;
    Found found;
    PathEvents events;
    std::map<core::UnitId, Running> searches;
};

Running* MainFinder::Impl::find(core::UnitId unit, core::RunId run) {
    const auto at = searches.find(unit);
    return at != searches.end() && at->second.search.run == run ? &at->second : nullptr;
}

// The file is read on a thread, since it may lie on a mount that hangs; the rest is the loop's.
PathEvents::Look MainFinder::Impl::look_at_file(const Search& search) {
    return [weak = weak_from_this(), unit = search.unit, run = search.run, path = search.pid_file] {
        return [weak, unit, run, named = read_pid_file(path)] {
            const auto impl = weak.lock();
            const Running* const running = impl ? impl->find(unit, run) : nullptr;
            if (running) impl->tell(unit, judge(running->search, named));
        };
    };
}

void MainFinder::Impl::look_at_members(core::UnitId unit, core::RunId run) {
    if (const Running* const running = find(unit, run)) tell(unit, from_members(running->search));
}

void MainFinder::Impl::tell(core::UnitId unit, const Finding& now) {
    Running& running = searches.at(unit);
    const core::RunId run = running.search.run;
    if (now.pid == 0 && now.why == running.why) return;
    running.why = now.why;
    if (now.pid != 0) end(unit);
    found(unit, run, now.pid, now.why);
}

void MainFinder::Impl::end(core::UnitId unit) {
    const auto at = searches.find(unit);
    if (at == searches.end()) return;
    if (at->second.watch) events.unwatch(*at->second.watch);
    searches.erase(at);
}

MainFinder::MainFinder(Loop& loop, Found found)
    : impl_{std::make_shared<Impl>(loop, std::move(found))} {}

MainFinder::~MainFinder() = default;

void MainFinder::begin(Search search) {
    const core::UnitId unit = search.unit;
    const core::RunId run = search.run;
    impl_->end(unit);
    Running& running = impl_->searches[unit];
    running.search = std::move(search);
    if (!running.search.pid_file.empty()) {
        running.watch =
            impl_->events.watch(running.search.pid_file, true, impl_->look_at_file(running.search));
        return;
    }
    impl_->loop.defer([weak = impl_->weak_from_this(), unit, run] {
        if (const auto impl = weak.lock()) impl->look_at_members(unit, run);
    });
}

void MainFinder::look_again(core::UnitId unit) {
    const auto at = impl_->searches.find(unit);
    if (at == impl_->searches.end()) return;
    if (at->second.watch)
        impl_->events.look_again(*at->second.watch);
    else
        impl_->look_at_members(unit, at->second.search.run);
}

void MainFinder::cancel(core::UnitId unit) {
    impl_->end(unit);
}

}  // namespace reeve::os
