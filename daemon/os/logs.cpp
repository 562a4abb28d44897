#include "daemon/os/logs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <thread>

#include "daemon/os/log_follower.hpp"
#include "daemon/os/log_lines.hpp"
#include "daemon/os/log_reader.hpp"
#include "daemon/os/log_ring.hpp"
#include "daemon/os/log_writer.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

using posix::check;

constexpr std::uint64_t bytes_per_turn = 64 << 10;  // of one pipe; as much as it holds
constexpr std::uint64_t backlog = 256 << 10;        // what a file may lag behind

struct Channel;

// The read end of a pipe of a run.
struct Source {
    Channel& channel;
    posix::Fd pipe;
    std::uint64_t run = 0;
    LogStream stream{};
    bool kept = false;  // by the keeper too
};

init::Kind kind_of(LogStream stream) {
    return stream == LogStream::out ? init::Kind::out_pipe : init::Kind::err_pipe;
}

// The log of one unit. The ring comes with the first byte.
struct Channel {
    core::UnitId unit{};
    std::string name;
    std::uint64_t window = 0;
    FileSink::Place place;  // empty folder: no file
    std::shared_ptr<LogRing> ring;
    LogWriter::JobPtr job;
    std::uint64_t run = 0;                  // of the present run
    posix::Fd out, err;                     // write ends of the present run
    bool out_due = false, err_due = false;  // to be opened when they are needed
    std::list<Source> sources;
};

}  // namespace

struct Logs::Impl : std::enable_shared_from_this<Logs::Impl> {
    Impl(Loop& on, Options with) : loop{on}, options{std::move(with)} {}

    void start_writer();
    Channel& channel(core::UnitId unit, std::string_view name, const units::LogSpec& spec);
    void make_ring(Channel& channel);
    void set_ring(Channel& channel, std::shared_ptr<LogRing> ring);
    void tell_readers(Channel& channel);
    posix::Fd add_source(Channel& channel, std::uint64_t run, LogStream stream, bool kept = true);
    void watch(Channel& channel, posix::Fd pipe, std::uint64_t run, LogStream stream, bool kept);
    posix::Fd writing_end(Channel& channel, std::uint64_t run, LogStream stream);
    void keep(core::UnitId unit, std::uint64_t run, init::Kind kind, int fd) const {
        if (options.keep) options.keep(unit, core::RunId{run}, kind, fd);
    }
    void let_go(core::UnitId unit, std::uint64_t run, init::Kind kind) const {
        if (options.drop) options.drop(unit, core::RunId{run}, kind);
    }
    void readable(const Source& source, std::uint32_t events);
    bool hold_open(const Source& source);
    bool open_due(Channel& channel, posix::Fd& end, bool& due);
    std::uint64_t take(const Source& source, std::uint64_t most);
    std::uint64_t discard(const Source& source, std::uint64_t most);
    void remove(const Source& source);
    void append(std::string_view text);
    void trimmed(std::uint32_t unit);
    void drop(const LogFollower* follower);
    std::vector<LogReader> readers(const Query& query) const;
    posix::Fd follow(const Query& query);

    // Runs `change` and books what it does to the memory of the ring.
    template <class Change>
    auto booked(LogRing& ring, Change&& change) {
        ring.set_growing(memory < options.total);
        const std::uint64_t before = ring.memory();
        const auto result = change();
        memory = memory + ring.memory() - before;
        return result;
    }

    Loop& loop;
    Options options;
    const std::thread::id home = std::this_thread::get_id();
    std::map<core::UnitId, Channel> channels;
    std::list<LogFollower> followers;
    std::unique_ptr<LogWriter> writer;
    posix::Fd null;
    std::uint64_t memory = 0, taken = 0, discarded = 0;
    bool told_without_ring = false;
};

// ── rings and their files ──────────────────────────────────────────────────────────────────────

void Logs::Impl::start_writer() {
    LogWriter::Hooks hooks;
    hooks.tell = [this](const std::string& text) { loop.post([text] { log::warn("{}", text); }); };
    hooks.drained = [this, weak = weak_from_this()](std::uint32_t unit) {
        loop.post([weak, unit] {
            if (const auto impl = weak.lock()) impl->trimmed(unit);
        });
    };
    writer = std::make_unique<LogWriter>(std::move(hooks));
}

Channel& Logs::Impl::channel(core::UnitId unit, std::string_view name, const units::LogSpec& spec) {
    Channel& channel = channels[unit];
    FileSink::Place place;
    const bool safe = name.find('/') == name.npos && name != "." && name != "..";
    if (spec.file && safe && !options.directory.empty())
        place = {options.directory + "/" + std::string{name}, spec.max_size, spec.keep};
    const std::uint64_t window = spec.ring != 0 ? spec.ring : options.ring;
    const bool other = window != channel.window || place.folder != channel.place.folder;
    if (other && channel.ring) {  // a changed [log] begins with an empty ring
        memory -= channel.ring->memory();
        if (channel.job) writer->close(channel.job);
        channel.job.reset();
        channel.ring.reset();
        let_go(unit, 0, init::Kind::log_ring);
    }
    if (channel.job) writer->change(channel.job, place);
    channel.unit = unit;
    channel.name = name;
    channel.window = window;
    channel.place = std::move(place);
    return channel;
}

std::uint64_t span_of(const Channel& channel) {
    return channel.place.folder.empty() ? channel.window : std::max(channel.window, backlog);
}

void Logs::Impl::make_ring(Channel& channel) {
    if (channel.ring) return;
    auto ring = std::make_shared<LogRing>(channel.window, span_of(channel));
    keep(channel.unit, 0, init::Kind::log_ring, ring->descriptor());
    set_ring(channel, std::move(ring));
}

void Logs::Impl::set_ring(Channel& channel, std::shared_ptr<LogRing> ring) {
    memory += ring->memory();
    channel.ring = std::move(ring);
    if (channel.place.folder.empty()) return;
    if (!writer) start_writer();
    channel.job = writer->add(static_cast<std::uint32_t>(channel.unit), channel.name, channel.ring,
                              channel.place);
}

void Logs::Impl::trimmed(std::uint32_t unit) {
    const auto found = channels.find(core::UnitId{unit});
    if (found == channels.end() || !found->second.job) return;
    Channel& channel = found->second;
    booked(*channel.ring, [&] {
        channel.ring->trim(LogWriter::written_to(*channel.job));
        return 0;
    });
}

// ── from the pipes into the rings ──────────────────────────────────────────────────────────────

posix::Fd Logs::Impl::add_source(Channel& channel, std::uint64_t run, LogStream stream, bool kept) {
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe for a log");
    posix::Fd reading{ends[0]};
    posix::Fd writing{ends[1]};
    check(::fcntl(reading.get(), F_SETFL, O_NONBLOCK), "fcntl of a log pipe");
    if (kept) keep(channel.unit, run, kind_of(stream), reading.get());
    watch(channel, std::move(reading), run, stream, kept);
    return writing;
}

void Logs::Impl::watch(Channel& channel, posix::Fd pipe, std::uint64_t run, LogStream stream,
                       bool kept) {
    const Source& source =
        channel.sources.emplace_back(Source{channel, std::move(pipe), run, stream, kept});
    loop.watch(
        source.pipe.get(), EPOLLIN,
        [this, &source](std::uint32_t events) { readable(source, events); }, "log pipe");
}

// Of a run in progress, whose read end was adopted. The child's is a blocking one; so is this.
posix::Fd Logs::Impl::writing_end(Channel& channel, std::uint64_t run, LogStream stream) {
    const auto same = [&](const Source& source) {
        return source.run == run && source.stream == stream;
    };
    const auto source = std::ranges::find_if(channel.sources, same);
    const bool known = source != channel.sources.end();
    if (known) {
        const std::string path = "/proc/self/fd/" + std::to_string(source->pipe.get());
        posix::Fd writing{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
        if (writing && ::fcntl(writing.get(), F_SETFL, 0) == 0) return writing;
    }
    const std::string why = known ? std::strerror(errno) : "it was not kept";
    log::warn("log of {}: no {} pipe of run {} to go on with ({}); new processes of it get another",
              channel.name, stream == LogStream::out ? "stdout" : "stderr", run, why);
    return add_source(channel, run, stream, !known);  // the first of a name is the one that is kept
}

void Logs::Impl::readable(const Source& source, std::uint32_t events) {
    if (take(source, bytes_per_turn) > 0 || (events & EPOLLHUP) == 0) return;
    if (!hold_open(source)) remove(source);
}

// Processes of its run may still come, though none has it now. False: it is not to be held.
bool Logs::Impl::hold_open(const Source& source) {
    Channel& channel = source.channel;
    if (source.run != channel.run) return false;
    if (source.stream == LogStream::out) return open_due(channel, channel.out, channel.out_due);
    return open_due(channel, channel.err, channel.err_due);
}

bool Logs::Impl::open_due(Channel& channel, posix::Fd& end, bool& due) {
    if (!std::exchange(due, false)) return false;
    end = writing_end(channel, channel.run, &end == &channel.out ? LogStream::out : LogStream::err);
    return true;
}

std::uint64_t Logs::Impl::take(const Source& source, std::uint64_t most) {
    Channel& channel = source.channel;
    try {
        make_ring(channel);
    } catch (const std::system_error& e) {  // no descriptor for it: the writer must not wait
        if (!std::exchange(told_without_ring, true))
            log::warn("log of {}: cannot {}; what is said meanwhile is dropped", channel.name,
                      e.what());
        return discard(source, most);
    }
    told_without_ring = false;
    const LogRing::Stamp stamp{log_clock(), source.run, source.stream};
    std::uint64_t sum = 0;
    booked(*channel.ring, [&] {
        while (sum < most) {
            bool emptied = false;
            const ssize_t got = channel.ring->take(source.pipe.get(), stamp, &emptied);
            if (got == 0) break;
            sum += got > 0 ? static_cast<std::uint64_t>(got) : discard(source, most);
            if (got < 0 || emptied) break;
        }
        if (channel.job) channel.ring->trim(LogWriter::written_to(*channel.job));
        return sum;
    });
    taken += sum;
    if (sum > 0) tell_readers(channel);
    return sum;
}

// No memory for it: the child must not wait all the same.
std::uint64_t Logs::Impl::discard(const Source& source, std::uint64_t most) {
    if (!null) null = posix::Fd{check(::open("/dev/null", O_WRONLY | O_CLOEXEC), "open /dev/null")};
    const ssize_t gone =
        ::splice(source.pipe.get(), nullptr, null.get(), nullptr, most, SPLICE_F_NONBLOCK);
    if (gone <= 0) return 0;
    discarded += static_cast<std::uint64_t>(gone);
    return static_cast<std::uint64_t>(gone);
}

void Logs::Impl::tell_readers(Channel& channel) {
    if (channel.job) writer->wake(channel.job);
    for (auto follower = followers.begin(); follower != followers.end();) {
        const auto next = std::next(follower);
        if (!follower->wake(channel.unit, channel.name, channel.ring)) followers.erase(follower);
        follower = next;
    }
}

void Logs::Impl::remove(const Source& source) {
    loop.unwatch(source.pipe.get());
    if (source.kept) let_go(source.channel.unit, source.run, kind_of(source.stream));
    source.channel.sources.remove_if([&](const Source& other) { return &other == &source; });
}

void Logs::Impl::append(std::string_view text) {
    Channel& mine = channels.at(own);
    make_ring(mine);
    const LogRing::Stamp stamp{log_clock(), 0, LogStream::out};
    booked(*mine.ring, [&] {
        mine.ring->append(text, stamp);
        mine.ring->append("\n", stamp);
        taken += text.size() + 1;
        if (mine.job) mine.ring->trim(LogWriter::written_to(*mine.job));
        return 0;
    });
    tell_readers(mine);
}

// ── readers ────────────────────────────────────────────────────────────────────────────────────

std::vector<LogReader> Logs::Impl::readers(const Query& query) const {
    std::vector<LogReader> found;
    for (const auto& [unit, channel] : channels) {
        const bool wanted =
            query.units.empty() || std::ranges::find(query.units, unit) != query.units.end();
        if (wanted && channel.ring)
            found.push_back({unit, channel.name, channel.ring, channel.ring->oldest(), {}});
    }
    return found;
}

posix::Fd Logs::Impl::follow(const Query& query) {
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe for one who follows logs");
    posix::Fd reading{ends[0]};
    posix::Fd writing{ends[1]};
    check(::fcntl(writing.get(), F_SETFL, O_NONBLOCK), "fcntl of a pipe");
    const auto run = static_cast<std::uint64_t>(query.run);
    LogFollower::Start start{readers(query), {}, query.units, run, options.patience};
    start.text = log_snapshot(start.readers, query.lines, run, false, query.resume);
    followers.emplace_back(loop, std::move(start), std::move(writing),
                           [this](const LogFollower* gone) { drop(gone); });
    return reading;
}

void Logs::Impl::drop(const LogFollower* follower) {
    followers.remove_if([&](const LogFollower& other) { return &other == follower; });
}

// ── the interface ──────────────────────────────────────────────────────────────────────────────

Logs::Logs(Loop& loop, Options options) : impl_{std::make_shared<Impl>(loop, std::move(options))} {
    impl_->channel(own, "reeved", impl_->options.own);
}

Logs::~Logs() {
    impl_->followers.clear();
    for (auto& [unit, channel] : impl_->channels) {
        for (Source& source : channel.sources) {
            impl_->loop.unwatch(source.pipe.get());
            impl_->take(source, bytes_per_turn);
        }
        channel.sources.clear();
    }
    impl_->writer.reset();
}

Logs::Pipes Logs::begin_run(core::UnitId unit, std::string_view name, core::RunId run,
                            const units::LogSpec& spec) {
    Channel& channel = impl_->channel(unit, name, spec);
    channel.out = {};
    channel.err = {};
    channel.out_due = channel.err_due = false;
    channel.run = static_cast<std::uint64_t>(run);
    if (!spec.file && !spec.memory) return {};
    channel.out = impl_->add_source(channel, channel.run, LogStream::out);
    if (!spec.join_stderr) channel.err = impl_->add_source(channel, channel.run, LogStream::err);
    return {channel.out.get(), spec.join_stderr ? channel.out.get() : channel.err.get()};
}

bool Logs::adopt_ring(core::UnitId unit, std::string_view name, const units::LogSpec& spec,
                      posix::Fd ring) {
    Channel& channel = impl_->channel(unit, name, spec);
    if (channel.ring) return false;
    auto adopted = LogRing::adopt(std::move(ring), log_clock());
    if (!adopted || !adopted->has_sizes(channel.window, span_of(channel))) {
        impl_->let_go(unit, 0, init::Kind::log_ring);
        return false;
    }
    impl_->taken += adopted->taken();
    impl_->set_ring(channel, std::move(adopted));
    if (channel.job) impl_->writer->wake(channel.job);
    return true;
}

void Logs::adopt_pipe(core::UnitId unit, std::string_view name, const units::LogSpec& spec,
                      core::RunId run, LogStream stream, posix::Fd pipe) {
    Channel& channel = impl_->channel(unit, name, spec);
    check(::fcntl(pipe.get(), F_SETFL, O_NONBLOCK), "fcntl of a log pipe");
    impl_->watch(channel, std::move(pipe), static_cast<std::uint64_t>(run), stream, true);
}

void Logs::adopt_run(core::UnitId unit, std::string_view name, core::RunId run,
                     const units::LogSpec& spec) {
    Channel& channel = impl_->channel(unit, name, spec);
    channel.run = static_cast<std::uint64_t>(run);
    channel.out_due = spec.file || spec.memory;
    channel.err_due = channel.out_due && !spec.join_stderr;
}

Logs::Pipes Logs::pipes(core::UnitId unit) {
    const auto found = impl_->channels.find(unit);
    if (found == impl_->channels.end()) return {};
    Channel& channel = found->second;
    impl_->open_due(channel, channel.out, channel.out_due);
    impl_->open_due(channel, channel.err, channel.err_due);
    return {channel.out.get(), channel.err ? channel.err.get() : channel.out.get()};
}

void Logs::end_run(core::UnitId unit) {
    const auto found = impl_->channels.find(unit);
    if (found == impl_->channels.end()) return;
    Channel& channel = found->second;
    channel.out = {};
    channel.err = {};
    channel.out_due = channel.err_due = false;
    for (auto next = channel.sources.begin(); next != channel.sources.end();) {
        const Source& source = *next++;
        pollfd state{source.pipe.get(), POLLIN, 0};
        if (::poll(&state, 1, 0) > 0 && (state.revents & POLLIN) != 0)
            impl_->take(source, bytes_per_turn);
        state.revents = 0;
        if (::poll(&state, 1, 0) > 0 && state.revents == POLLHUP) impl_->remove(source);
    }
    if (!channel.ring) return;
    channel.ring->end_run(channel.run, log_clock());
    impl_->tell_readers(channel);
}

void Logs::forget(core::UnitId unit) {
    const auto found = impl_->channels.find(unit);
    if (found == impl_->channels.end()) return;
    Channel& channel = found->second;
    while (!channel.sources.empty()) impl_->remove(channel.sources.front());
    if (channel.ring) impl_->memory -= channel.ring->memory();
    if (channel.ring) impl_->let_go(unit, 0, init::Kind::log_ring);
    if (channel.job) impl_->writer->close(channel.job);
    impl_->channels.erase(found);
}

void Logs::note(std::string_view text) {
    if (std::this_thread::get_id() == impl_->home) return impl_->append(text);
    impl_->loop.post([weak = impl_->weak_from_this(), line = std::string{text}] {
        if (const auto impl = weak.lock()) impl->append(line);
    });
}

void Logs::reopen() {
    if (impl_->writer) impl_->writer->reopen();
}

posix::Fd Logs::read(const Query& query) {
    if (query.follow) return impl_->follow(query);
    auto readers = impl_->readers(query);
    const auto run = static_cast<std::uint64_t>(query.run);
    return sealed_text(log_snapshot(readers, query.lines, run, true, query.resume));
}

Logs::Stats Logs::stats() const {
    Stats stats;
    for (const auto& [unit, channel] : impl_->channels) stats.rings += channel.ring ? 1 : 0;
    stats.ring_bytes = impl_->memory;
    stats.taken = impl_->taken;
    stats.dropped = impl_->discarded;
    stats.followers = impl_->followers.size();
    stats.full = impl_->memory >= impl_->options.total;
    if (!impl_->writer) return stats;
    stats.dropped += impl_->writer->stats().dropped;
    stats.file_errors = impl_->writer->stats().errors;
    return stats;
}

}  // namespace reeve::os
