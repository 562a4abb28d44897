// SIGKILL for those who fill rings and files, at any moment and at every step, while somebody
// prints: whoever comes next has the same open file descriptions, and no byte is missing or
// doubled.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <new>
#include <random>
#include <string>

#include "daemon/os/log_lines.hpp"
#include "daemon/os/log_ring.hpp"
#include "daemon/os/logs.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/log.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

int kills() {
    return full_scale() ? 2'000 : 60;
}

posix::Fd again(int fd) {  // the same open file description
    return posix::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
}

void pause_for(std::uint64_t microseconds) {
    const timespec time{0, static_cast<long>(microseconds) * 1000};
    ::nanosleep(&time, nullptr);
}

char byte_at(std::uint64_t at) {
    return static_cast<char>('0' + (at / 8 >> (at % 8 * 3)) % 8);
}

// In memory that all processes of a test share.
struct Shared {
    std::atomic<std::uint64_t> put{0};         // bytes printed
    std::atomic<std::uint64_t> naive_head{0};  // bytes a naive filler knows of
    std::atomic<bool> stop{false};

    static Shared& make() {
        void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        return *new (memory) Shared;
    }
};

template <class Body>
pid_t in_child(Body&& body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    body();
    ::_exit(0);
}

int end_of(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
}

// ── a ring alone ───────────────────────────────────────────────────────────────────────────────

void print_numbers(int pipe, Shared& shared) {
    std::mt19937 random{5};
    std::string text;
    std::uint64_t put = 0;
    while (!shared.stop) {
        text.resize(1 + random() % (random() % 3 == 0 ? 4000 : 60));
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = byte_at(put + i);
        if (::write(pipe, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;
        shared.put = put += text.size();
    }
}

// True: every byte that the ring holds is where it belongs. One that was ever lost or doubled would
// have moved all after it.
bool in_order(const LogRing& ring) {
    LogRing::Batch batch;
    LogRing::Cursor cursor = ring.oldest();
    std::uint64_t at = cursor.position;
    while (ring.read(cursor, batch, 4096))
        for (const char byte : batch.bytes)
            if (byte != byte_at(at++)) return false;
    return at == ring.taken();
}

void fill_for_ever(int ring, int pipe) {
    const auto mine = LogRing::adopt(again(ring), 1);
    if (!mine) ::_exit(2);
    std::mt19937 random{static_cast<unsigned>(::getpid())};
    for (;;) {
        const bool odd = random() % 2 == 0;
        mine->take(pipe, {2, odd ? 1U : 2U, odd ? LogStream::out : LogStream::err});
        mine->trim(mine->oldest().piece + 100);
    }
}

struct RingKill : testing::TestWithParam<std::uint64_t> {};

TEST_P(RingKill, NoByteIsLostOrDoubled) {
    Shared& shared = Shared::make();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const posix::Fd in{ends[0]};
    posix::Fd out{ends[1]};
    ASSERT_EQ(::fcntl(in.get(), F_SETFL, O_NONBLOCK), 0);
    const LogRing first{16 << 10, GetParam()};
    const pid_t printer = in_child([&] { print_numbers(out.get(), shared); });
    std::mt19937 random{3};
    for (int i = 0; i < kills(); ++i) {
        const pid_t filler = in_child([&] { fill_for_ever(first.descriptor(), in.get()); });
        pause_for(200 + random() % 1500);
        ::kill(filler, SIGKILL);
        ASSERT_TRUE(WIFSIGNALED(end_of(filler))) << "refused after " << i << " kills";
        if (i % 4 != 0) continue;
        const auto ring = LogRing::adopt(again(first.descriptor()), 1);
        ASSERT_TRUE(ring && in_order(*ring)) << "after " << i + 1 << " kills";
    }
    shared.stop = true;
    const auto ring = LogRing::adopt(again(first.descriptor()), 1);
    ASSERT_TRUE(ring);
    int status = 0;
    while (::waitpid(printer, &status, WNOHANG) == 0) ring->take(in.get(), {3, 1, LogStream::out});
    while (ring->take(in.get(), {3, 1, LogStream::out}) > 0) continue;
    EXPECT_EQ(ring->taken(), shared.put);
    EXPECT_TRUE(in_order(*ring));
    EXPECT_GT(ring->taken(), 3 * GetParam()) << "it went round";
}

INSTANTIATE_TEST_SUITE_P(Spans, RingKill, testing::Values(16U << 10, 256U << 10));

// The check bites: the same with read(), then the count; and with the count first.
void fill_naively(int file, int pipe, Shared& shared, bool count_first) {
    std::array<char, 16384> bytes;
    for (;;) {
        const ssize_t got = ::read(pipe, bytes.data(), bytes.size());
        if (got <= 0) continue;
        const auto size = static_cast<std::uint64_t>(got);
        const std::uint64_t head = shared.naive_head;
        if (count_first) shared.naive_head = head + size;
        (void)!::pwrite(file, bytes.data(), size, static_cast<off_t>(head));
        if (!count_first) shared.naive_head = head + size;
    }
}

bool naive_in_order(int file, const Shared& shared) {
    std::array<char, 16384> bytes;
    for (std::uint64_t at = 0; at < shared.naive_head;) {
        const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (got <= 0) return false;
        const std::uint64_t end =
            std::min(at + static_cast<std::uint64_t>(got), shared.naive_head.load());
        for (std::size_t i = 0; at < end; ++i)
            if (bytes[i] != byte_at(at++)) return false;
    }
    return true;
}

TEST(RingKillCheck, BitesWhenTakingAndCountingAreTwoSteps) {
    for (const bool count_first : {false, true}) {
        Shared& shared = Shared::make();
        int ends[2];
        ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const posix::Fd in{ends[0]};
        const posix::Fd out{ends[1]};
        const posix::Fd file{::memfd_create("naive", MFD_CLOEXEC)};
        const pid_t printer = in_child([&] { print_numbers(out.get(), shared); });
        int used = 0;
        while (used < 3'000 && naive_in_order(file.get(), shared)) {
            ++used;
            const pid_t filler =
                in_child([&] { fill_naively(file.get(), in.get(), shared, count_first); });
            pause_for(100 + static_cast<std::uint64_t>(used) * 7 % 300);
            ::kill(filler, SIGKILL);
            end_of(filler);
        }
        EXPECT_LT(used, 3'000) << (count_first ? "count first" : "read first");
        ::kill(printer, SIGKILL);
        end_of(printer);
    }
}

// ── logs with files ────────────────────────────────────────────────────────────────────────────

constexpr core::UnitId web{1};
constexpr core::RunId run{7};

struct Note {
    core::UnitId unit;
    init::Kind kind;
    bool kept;
};

// What a keeper is to managers that die: it holds two pipes, and the ring when one comes.
class Keeper {
public:
    explicit Keeper(units::LogSpec with) : spec{std::move(with)} {
        spec.file = true;
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        mine_ = posix::Fd{ends[0]};
        managers_ = posix::Fd{ends[1]};
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
            in_[i] = posix::Fd{ends[0]};
            out[i] = posix::Fd{ends[1]};
        }
    }

    // A manager; it ends by itself when both pipes have. `die_at`: at its n-th step; 0: never.
    pid_t start(int die_at = 0) {
        return in_child([&] { manage(die_at); });
    }
    // What a dead manager has said lies in the socket still.
    void hear();
    [[nodiscard]] int ring() const { return ring_.get(); }

    units::LogSpec spec;
    const Folder folder;
    posix::Fd out[2];

private:
    void manage(int die_at);
    void tell(core::UnitId unit, init::Kind kind, int fd) const;

    posix::Fd mine_, managers_, in_[2], ring_;
};

void Keeper::tell(core::UnitId unit, init::Kind kind, int fd) const {
    Note note{unit, kind, fd >= 0};
    iovec data{&note, sizeof note};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    if (::sendmsg(managers_.get(), &message, 0) < 0) ::_exit(3);
}

void Keeper::hear() {
    for (;;) {
        Note note{};
        iovec data{&note, sizeof note};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        if (::recvmsg(mine_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return;
        posix::Fd came;
        if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
            came = posix::Fd{fd};
        }
        if (note.unit == web && note.kind == init::Kind::log_ring) ring_ = std::move(came);
    }
}

std::atomic<int> steps_to_live{0};
void one_step(posix::CrashPoint) {
    if (--steps_to_live == 0) ::kill(::getpid(), SIGKILL);
}

void Keeper::manage(int die_at) {
    for (posix::Fd& end : out) end = {};  // they are the printer's
    steps_to_live = die_at;
    posix::at_crash_point = die_at > 0 ? one_step : nullptr;
    int over = 0;
    Loop loop;
    Logs::Options options{.directory = folder.path()};
    options.keep = [&](core::UnitId unit, core::RunId, init::Kind kind, int fd) {
        tell(unit, kind, fd);
    };
    options.drop = [&](core::UnitId, core::RunId, init::Kind) { ++over; };
    {
        Logs logs{loop, options};
        if (ring_ && !logs.adopt_ring(web, "web", spec, again(ring_.get()))) ::_exit(2);
        logs.adopt_pipe(web, "web", spec, run, LogStream::out, again(in_[0].get()));
        logs.adopt_pipe(web, "web", spec, run, LogStream::err, again(in_[1].get()));
        while (over < 2) sd_event_run(loop.get(), UINT64_MAX);
        if (logs.stats().dropped != 0) ::_exit(4);
    }
    ::_exit(0);
}

std::string line_of(std::size_t stream, std::uint64_t number) {
    std::string text = std::to_string(1'000'000 + number);
    text[0] = stream == 0 ? 'o' : 'e';
    return text + std::string(number % 50, 'x') + "\n";
}

// Counts the lines of both streams, which must come in order; from the first on or from any.
struct Sequence {
    explicit Sequence(bool from_any) : open{from_any, from_any} {}
    void add(std::string_view line) {
        const std::size_t stream = !line.empty() && line[0] == 'e' ? 1 : 0;
        std::uint64_t number = 0;
        if (line.size() >= 7)
            number = std::strtoull(std::string{line.substr(1, 6)}.c_str(), {}, 10);
        if (std::exchange(open[stream], false)) next[stream] = number;
        const std::string wanted = line_of(stream, next[stream]++);
        if (wrong.empty() && line != std::string_view{wanted}.substr(0, wanted.size() - 1))
            wrong = "got '" + std::string{line} + "' instead of '" + wanted + "'";
    }
    std::array<std::uint64_t, 2> next{};
    std::array<bool, 2> open;
    std::string wrong;
};

// All files of the unit, oldest first.
void read_files(const Keeper& keeper, Sequence& sequence) {
    std::string text;
    for (std::uint32_t i = keeper.spec.keep; i > 0; --i) {
        const std::string old = keeper.folder / "web/current." + std::to_string(i);
        if (std::filesystem::exists(old)) text += read_file(old);
    }
    text += read_file(keeper.folder / "web/current");
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        sequence.add(std::string_view{line}.substr(std::min<std::size_t>(28, line.size())));
}

void read_ring(const Keeper& keeper, Sequence& sequence) {
    const auto ring = LogRing::adopt(again(keeper.ring()), 1);
    ASSERT_TRUE(ring);
    LineAssembler lines;
    LogRing::Cursor cursor = ring->oldest();
    LogRing::Batch batch;
    std::uint64_t dropped = 0;
    while (ring->read(cursor, batch, 4096))
        lines.feed(batch, dropped, [&](const LogLine& line) { sequence.add(line.text); });
}

void expect_all(const Keeper& keeper, std::uint64_t lines) {
    Sequence files{false};
    read_files(keeper, files);
    EXPECT_EQ(files.wrong, "");
    EXPECT_EQ(files.next, (std::array{lines, lines}));
    Sequence ring{true};
    read_ring(keeper, ring);
    EXPECT_EQ(ring.wrong, "");
    EXPECT_EQ(ring.next, (std::array{lines, lines}));
}

units::LogSpec small_files() {
    units::LogSpec spec;
    spec.max_size = 9'000;
    spec.keep = 200;
    return spec;
}

// Managers die at their first, second … 30th step, in turns, until all is written.
TEST(LogsKill, EveryStepOfPipesRingAndFiles) {
    constexpr std::uint64_t lines = 500;
    Keeper keeper{small_files()};
    std::array<std::string, 2> left;
    for (std::size_t stream : {0U, 1U})
        for (std::uint64_t i = 0; i < lines; ++i) left[stream] += line_of(stream, i);
    std::mt19937 random{11};
    int deaths = 0;
    for (bool done = false; !done;) {
        for (std::size_t stream : {0U, 1U}) {  // a little more, ending anywhere in a line
            const std::size_t part = std::min<std::size_t>(left[stream].size(), random() % 500);
            if (part == 0) continue;
            ASSERT_EQ(::write(keeper.out[stream].get(), left[stream].data(), part),
                      static_cast<ssize_t>(part));
            left[stream].erase(0, part);
            if (left[stream].empty()) keeper.out[stream] = {};
        }
        const bool all = left[0].empty() && left[1].empty();
        const pid_t manager = keeper.start(all && deaths > 3'000 ? 0 : 1 + deaths % 30);
        if (!all) {  // what there is may take fewer steps than it has to live
            pause_for(3'000);
            ::kill(manager, SIGKILL);
        }
        const int status = end_of(manager);
        keeper.hear();
        ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
        done = WIFEXITED(status);
        deaths += done ? 0 : 1;
    }
    EXPECT_GT(deaths, 30);
    expect_all(keeper, lines);
}

// Prints as fast as the files follow, so that no ring runs over.
void print_lines(const Keeper& keeper, Shared& shared) {
    std::mt19937 random{9};
    std::array<std::string, 2> waiting;
    std::array<std::uint64_t, 2> number{};
    std::uint64_t text = 0;  // as it will be in the files
    const auto written = [&] {
        std::uint64_t sum = 0;
        std::error_code gone;
        for (std::filesystem::directory_iterator entry{keeper.folder / "web", gone}, end;
             !gone && entry != end; entry.increment(gone)) {
            const auto size = std::filesystem::file_size(entry->path(), gone);
            if (!gone) sum += size;
        }
        return sum;
    };
    while (!shared.stop || number[0] != number[1]) {
        const std::size_t stream = number[0] <= number[1] ? 0 : 1;
        const std::string line = line_of(stream, number[stream]++);
        waiting[stream] += line;
        text += line.size() + 28;
        const std::size_t part = random() % (waiting[stream].size() + 1);
        if (::write(keeper.out[stream].get(), waiting[stream].data(), part) < 0) ::_exit(1);
        waiting[stream].erase(0, part);
        while (text > 60'000 && written() < text - 60'000) pause_for(100);
    }
    for (std::size_t stream : {0U, 1U})
        if (::write(keeper.out[stream].get(), waiting[stream].data(), waiting[stream].size()) < 0)
            ::_exit(1);
    shared.put = number[0];
}

TEST(LogsKill, AnyMoment) {
    Shared& shared = Shared::make();
    units::LogSpec spec;
    spec.max_size = full_scale() ? 1 << 20 : 30'000;
    spec.keep = 999;
    Keeper keeper{spec};
    const pid_t printer = in_child([&] { print_lines(keeper, shared); });
    for (posix::Fd& end : keeper.out) end = {};
    std::mt19937 random{3};
    for (int i = 0; i < kills(); ++i) {
        const pid_t manager = keeper.start();
        pause_for(1'000 + random() % 6'000);
        ::kill(manager, SIGKILL);
        ASSERT_TRUE(WIFSIGNALED(end_of(manager))) << "manager " << i << " ended";
        keeper.hear();
    }
    shared.stop = true;
    const pid_t manager = keeper.start();
    EXPECT_EQ(end_of(printer), 0);
    EXPECT_EQ(end_of(manager), 0);
    keeper.hear();
    EXPECT_GT(shared.put, 400U);
    expect_all(keeper, shared.put);
}

}  // namespace
}  // namespace reeve::os
