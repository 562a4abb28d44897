#include "daemon/os/log_writer.hpp"

#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "daemon/os/log_lines.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto first_retry = 250ms;
constexpr auto last_retry = 16s;
constexpr std::uint64_t bytes_per_turn = 64 << 10;  // then the next unit has its turn
constexpr std::size_t bytes_at_once = 4096;         // what waits in memory while a disk is full
constexpr std::size_t enough = 4096;                // of text for one write
constexpr std::size_t stack_size = 256 << 10;

}  // namespace

class LogWriter::Job {
public:
    Job(std::uint32_t key, std::string name, std::shared_ptr<const LogRing> ring,
        FileSink::Place place)
        : key_{key}, name_{std::move(name)}, ring_{std::move(ring)}, sink_{std::move(place)} {}

    enum class Outcome { idle, more, failed };
    // One turn. On the writer's thread.
    Outcome work(State& state, bool closing);

    const std::uint32_t key_;
    const std::string name_;
    const std::shared_ptr<const LogRing> ring_;
    std::atomic<std::uint64_t> written_to_{0};

    // Guarded by the state's mutex.
    bool queued_ = false, resting_ = false, closing_ = false, reopen_ = false;
    std::unique_ptr<FileSink::Place> new_place_;
    Clock::time_point retry_at_;

    // The writer's alone.
    FileSink sink_;
    std::chrono::milliseconds patience_ = first_retry;
    bool failing_ = false;

private:
    class Record;
    void resume(State& state);
    LogMark seek(LogMark mark);
    [[nodiscard]] LogMark mark() const;
    static void add_line(std::uint64_t time, std::string_view text, std::string& batch);
    void add_gap(std::uint64_t time, State& state);
    bool flush(State& state);
    bool recover(State& state);

    LogRing::Cursor cursor_;
    LineAssembler lines_;
    std::uint64_t lost_ = 0;
    LogMark mark_;               // where the text begins that goes, or went last, into the file
    std::uint32_t total_ = 0;    // bytes of that text
    std::uint32_t in_file_ = 0;  // bytes of the text from here on that a predecessor wrote
    bool resumed_ = false;
};

// Keeps in the ring what is needed to find out, after a death, how much of a text is in the file.
class LogWriter::Job::Record : public FileSink::Witness {
public:
    explicit Record(const Job& job) : job_{job} {
        record_.before = job.mark_;
        record_.after = job.mark();
        record_.total = job.total_;
        record_.used = 1;
    }
    void about_to(std::uint64_t file, std::uint64_t size, std::size_t left) override {
        record_.file = file;
        record_.size = size;
        record_.done = record_.total - static_cast<std::uint32_t>(left);
        job_.ring_->store(record_);
    }

private:
    const Job& job_;
    FileRecord record_;
};

struct LogWriter::State {
    std::mutex hooks_mutex;  // held while a hook runs, so that none runs after the destructor
    Hooks hooks;

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<JobPtr> queue;
    std::vector<JobPtr> resting;           // their file cannot be written now
    std::vector<std::weak_ptr<Job>> jobs;  // all, for reopen()
    bool started = false, stopping = false, finished = false, abandoned = false;
    std::atomic<std::uint64_t> dropped{0}, errors{0};

    // The writer's alone.
    LogRing::Batch pieces;
    std::string batch;

    void run();
    void turn(std::unique_lock<std::mutex>& lock);
    void wake_rested();
    void tell(const std::string& text);
    void drained(const Job& job);
};

// ── one turn of one job ────────────────────────────────────────────────────────────────────────

LogMark LogWriter::Job::mark() const {
    LogMark mark;
    mark.position = cursor_.position;
    mark.owed = lost_;
    lines_.mark(mark);
    return mark;
}

// Reads on from there. What was overwritten in the meantime counts as dropped.
LogMark LogWriter::Job::seek(LogMark mark) {
    const std::uint64_t oldest = ring_->oldest().position;
    std::uint64_t start = mark.position;
    lost_ = mark.owed;
    for (const LogStream stream : {LogStream::out, LogStream::err}) {
        const auto i = static_cast<std::size_t>(stream);
        const bool gone = mark.line[i] < oldest;
        if (gone) lost_ += mark.unfinished[i];
        lines_.resume(mark, stream, gone);
        if (!gone) start = std::min(start, mark.line[i]);
    }
    cursor_ = ring_->at(start);
    return mark;
}

// A successor finds how far the one before it came. The same marks give the same text again, so
// what the file has of it is left out.
void LogWriter::Job::resume(State& state) {
    resumed_ = true;
    const FileRecord record = ring_->file_record();
    if (record.used == 0) return;  // from the first byte on
    std::uint64_t done = record.done;
    bool torn = false;
    if (record.file != 0) {
        const auto found = sink_.find(record.file);
        const bool same = found && found->size >= record.size;  // else it was moved: long done
        done = same ? std::min<std::uint64_t>(record.total, done + found->size - record.size)
                    : record.total;
        torn = same && !found->ends_line;
    }
    const std::uint64_t oldest = ring_->oldest().position;
    const bool gone = std::min(record.before.line[0], record.before.line[1]) < oldest;
    if (done < record.total && (done == 0 || !gone)) {
        mark_ = seek(record.before);
        in_file_ = static_cast<std::uint32_t>(done);
        return;
    }
    mark_ = seek(record.after);
    lost_ += record.total - done;  // of text, not bytes: they are gone, with the lines
    if (torn) state.batch += '\n';
}

void LogWriter::Job::add_line(std::uint64_t time, std::string_view text, std::string& batch) {
    append_log_time(batch, time);
    batch += ' ';
    batch += text;
    batch += '\n';
}

// Everything read until now goes into the file. False: it waits in the sink.
bool LogWriter::Job::flush(State& state) {
    const std::string_view text = state.batch;
    const std::size_t known = std::min<std::size_t>(in_file_, text.size());
    bool written = true;
    total_ = static_cast<std::uint32_t>(text.size());
    if (known < text.size()) {
        Record record{*this};
        written = sink_.write(text.substr(known), record);
    }
    if (written) mark_ = mark();
    in_file_ -= static_cast<std::uint32_t>(known);
    state.batch.clear();
    if (state.batch.capacity() > 4 * enough) state.batch.shrink_to_fit();
    return written;
}

void LogWriter::Job::add_gap(std::uint64_t time, State& state) {
    if (lost_ == 0) return;
    add_line(time, fmt::format("-- {} bytes dropped --", lost_), state.batch);
    state.dropped += lost_;
    lost_ = 0;
}

// False: the file still cannot be written.
bool LogWriter::Job::recover(State& state) {
    if (!sink_.has_pending()) return true;
    Record record{*this};
    if (!sink_.retry(record)) return false;
    mark_ = mark();
    if (failing_) state.tell(fmt::format("log of {}: {} is written again", name_, sink_.path()));
    failing_ = false;
    patience_ = first_retry;
    return true;
}

LogWriter::Job::Outcome LogWriter::Job::work(State& state, bool closing) {
    const auto emit = [&](const LogLine& line) {
        add_gap(line.time, state);
        add_line(line.time, line.text, state.batch);
    };
    if (!resumed_) resume(state);
    bool written = recover(state);
    const std::uint64_t stop_at = cursor_.position + bytes_per_turn;
    while (written && cursor_.position < stop_at) {
        if (!ring_->read(cursor_, state.pieces, bytes_at_once)) break;
        lines_.feed(state.pieces, lost_, emit);
        if (state.batch.size() >= enough) written = flush(state);
    }
    const bool at_end = ring_->at_end(cursor_);
    if (written && at_end && closing) lines_.flush(emit);
    if (written && at_end) add_gap(log_clock(), state);
    if (!state.batch.empty()) written = flush(state) && written;
    if (written) written_to_ = cursor_.piece;
    if (written) return at_end ? Outcome::idle : Outcome::more;
    ++state.errors;
    if (!failing_)
        state.tell(fmt::format("log of {}: cannot write {}: {}; it goes on in memory", name_,
                               sink_.path(), std::strerror(sink_.error())));
    failing_ = true;
    return Outcome::failed;
}

// ── the thread ─────────────────────────────────────────────────────────────────────────────────

void LogWriter::State::tell(const std::string& text) {
    const std::lock_guard hold{hooks_mutex};
    if (hooks.tell) hooks.tell(text);
}

// Only after a backlog is there memory to give back at once.
void LogWriter::State::drained(const Job& job) {
    if (!job.ring_->has_backlog()) return;
    const std::lock_guard hold{hooks_mutex};
    if (hooks.drained) hooks.drained(job.key_);
}

void LogWriter::State::wake_rested() {
    const auto now = Clock::now();
    std::erase_if(resting, [&](const JobPtr& job) {
        if (!stopping && job->retry_at_ > now) return false;
        job->resting_ = false;
        job->queued_ = true;
        queue.push_back(job);
        return true;
    });
}

void LogWriter::State::turn(std::unique_lock<std::mutex>& lock) {
    const JobPtr job = std::move(queue.front());
    queue.pop_front();
    job->queued_ = false;
    if (job->new_place_) job->sink_.change(std::move(*job->new_place_));
    job->new_place_.reset();
    if (std::exchange(job->reopen_, false)) job->sink_.reopen();
    const bool closing = job->closing_ || stopping;
    lock.unlock();
    const Job::Outcome outcome = job->work(*this, closing);
    if (outcome == Job::Outcome::idle) drained(*job);
    lock.lock();
    if (outcome == Job::Outcome::more && !job->queued_) {
        job->queued_ = true;
        queue.push_back(job);
    }
    if (outcome == Job::Outcome::failed && !stopping) {
        job->retry_at_ = Clock::now() + job->patience_;
        job->patience_ = std::min<std::chrono::milliseconds>(job->patience_ * 2, last_retry);
        job->resting_ = true;
        resting.push_back(job);
    }
}

void LogWriter::State::run() {
    std::unique_lock lock{mutex};
    while (!abandoned) {
        wake_rested();
        if (!queue.empty()) {
            turn(lock);
            continue;
        }
        if (stopping) break;
        if (resting.empty()) {
            changed.wait(lock);
            continue;
        }
        auto next = resting.front()->retry_at_;
        for (const JobPtr& job : resting) next = std::min(next, job->retry_at_);
        changed.wait_until(lock, next);
    }
    finished = true;
    changed.notify_all();
}

// ── the owner's side ───────────────────────────────────────────────────────────────────────────

LogWriter::LogWriter(Hooks hooks) : state_{std::make_shared<State>()} {
    state_->hooks = std::move(hooks);
}

LogWriter::~LogWriter() {
    State& state = *state_;
    {
        std::unique_lock lock{state.mutex};
        for (const auto& weak : state.jobs) {
            const JobPtr job = weak.lock();
            if (!job || job->queued_ || job->resting_) continue;
            job->queued_ = true;
            state.queue.push_back(job);
        }
        state.stopping = true;
        state.changed.notify_all();
        if (state.started) state.changed.wait_for(lock, 1s, [&] { return state.finished; });
        state.abandoned = true;
    }
    const std::lock_guard hold{state.hooks_mutex};
    state.hooks = {};
}

namespace {

// The writer takes no signals: they are the loop's; and SIGXFSZ, SIGPIPE become errors of write().
void start_thread(void* (*body)(void*), void* argument) {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_size);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread{};
    const int error = ::pthread_create(&thread, &attributes, body, argument);
    ::pthread_attr_destroy(&attributes);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0)
        throw std::system_error{error, std::generic_category(), "start the log writer's thread"};
}

}  // namespace

LogWriter::JobPtr LogWriter::add(std::uint32_t key, std::string name,
                                 std::shared_ptr<const LogRing> ring, FileSink::Place place) {
    auto job = std::make_shared<Job>(key, std::move(name), std::move(ring), std::move(place));
    const std::lock_guard lock{state_->mutex};
    std::erase_if(state_->jobs, [](const auto& weak) { return weak.expired(); });
    state_->jobs.push_back(job);
    if (state_->started) return job;
    auto own = std::make_unique<std::shared_ptr<State>>(state_);
    start_thread(
        [](void* argument) -> void* {
            const std::unique_ptr<std::shared_ptr<State>> state{
                static_cast<std::shared_ptr<State>*>(argument)};
            (*state)->run();
            return nullptr;
        },
        own.get());
    (void)own.release();  // the thread has it
    state_->started = true;
    return job;
}

void LogWriter::wake(const JobPtr& job) {
    const std::lock_guard lock{state_->mutex};
    if (job->queued_ || job->resting_) return;
    job->queued_ = true;
    state_->queue.push_back(job);
    state_->changed.notify_one();
}

void LogWriter::change(const JobPtr& job, FileSink::Place place) {
    const std::lock_guard lock{state_->mutex};
    job->new_place_ = std::make_unique<FileSink::Place>(std::move(place));
}

void LogWriter::close(const JobPtr& job) {
    {
        const std::lock_guard lock{state_->mutex};
        job->closing_ = true;
    }
    wake(job);
}

void LogWriter::reopen() {
    const std::lock_guard lock{state_->mutex};
    for (const auto& weak : state_->jobs)
        if (const JobPtr job = weak.lock()) job->reopen_ = true;
}

std::uint64_t LogWriter::written_to(const Job& job) noexcept {
    return job.written_to_;
}

LogWriter::Stats LogWriter::stats() const noexcept {
    return {state_->dropped, state_->errors};
}

}  // namespace reeve::os
