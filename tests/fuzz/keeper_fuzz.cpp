// Whatever a manager says to the keeper, and leaves in the state they share: the keeper keeps what
// it was given under its key and nothing else, and no descriptor is lost. The keeper itself runs
// here, its turns driven one by one; a process is never started. An input is a row of steps, below.
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>
#include <vector>

#define main keeper_main
#include "daemon/init/reeve_init.cpp"  // NOLINT: its one translation unit, as a whole
#undef main

namespace reeve::init {

namespace {

constexpr int numbers = 256;  // of descriptors that there may be
constexpr int files = 4;      // different ones that are sent

void require(bool holds, int line = __builtin_LINE()) {
    if (holds) return;
    std::fprintf(stderr, "line %d: not so\n", line);
    std::abort();
}

std::vector<int> open_descriptors() {
    std::array<pollfd, numbers> all{};
    for (int fd = 0; fd < numbers; ++fd) all[static_cast<std::size_t>(fd)].fd = fd;
    require(::poll(all.data(), all.size(), 0) >= 0);
    std::vector<int> open;
    for (const pollfd& each : all)
        if ((each.revents & POLLNVAL) == 0) open.push_back(each.fd);
    return open;
}

void limit_descriptors(int count) {
    const rlimit limit{static_cast<rlim_t>(count), numbers};
    require(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

class Input {
public:
    explicit Input(std::string_view bytes) : rest_{bytes} {}
    bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const char first = rest_.front();
        rest_.remove_prefix(1);
        return static_cast<std::uint8_t>(first);
    }
    std::string_view take(std::size_t count) {
        const auto part = rest_.substr(0, count);
        rest_.remove_prefix(part.size());
        return part;
    }
    template <class T>
    T number() {
        T value{};
        const auto bytes = take(sizeof value);
        std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }

private:
    std::string_view rest_;
};

// The keeper as it stands between two turns. Of one process for all inputs, as it has no end.
struct KeeperProbe {
    KeeperProbe() {
        limit_descriptors(numbers);
        log_fd = moved_up(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        for (int i = 0; i < files; ++i) {
            file[i] = moved_up(::memfd_create("file", MFD_CLOEXEC));
            struct stat about {};
            require(::fstat(file[i], &about) == 0);
            inode[i] = about.st_ino;
        }
        keeper.state_.create(second, 0);
        keeper.custody_.create();
    }

    void forget() {
        keeper.start_at_ = keeper.stopped_until_ = keeper.kill_at_ = keeper.retry_at_ = never;
        keeper.ready_at_ = never;
        keeper.reap_due_ = keeper.poke_due_ = false;
        keeper.ended_ = keeper.replaced_ = false;
        keeper.hang_up();
        keeper.launcher_.took_over();
        for (auto& [key, fd] : kept()) keeper.custody_.drop(key);
    }

    // A turn that has something else to do as well, and so never waits.
    void turn() {
        keeper.retry_at_ = never;
        keeper.poke_due_ = true;
        keeper.turn();
    }
    // As when the manager has died: what it said last is heard.
    void bury() {
        for (int failed = 0; failed < 2;) failed += !keeper.read_message();
        keeper.hang_up();
    }
    void store_exit(int pid, state::Exit exit) { keeper.state_.store_exit(pid, exit); }
    state::Header& header() { return keeper.state_.header(); }
    int memory() const { return keeper.state_.memory; }
    void connect(int fd) { keeper.socket_ = fd; }

    std::vector<std::pair<std::uint64_t, int>> kept() const {
        std::vector<std::pair<std::uint64_t, int>> all;
        for (int from = 0;;) {
            static Packet packet;
            static int fds[most_keys];
            const int next = keeper.custody_.list(from, packet, fds);
            require(packet.count <= listed_at_once && next >= from);
            for (std::uint32_t i = 0; i < packet.count; ++i)
                all.emplace_back(packet.keys[i], fds[i]);
            if (packet.count == 0) return all;
            from = next;
        }
    }

    char* words[3] = {};
    char manager[32] = "REEVE_MANAGER=/nonexistent";
    char* environment[2] = {manager, nullptr};
    Launcher launcher{words, environment, false};
    Options options;
    Keeper keeper{options, launcher};
    int file[files];
    ino_t inode[files];
};

class Manager {
public:
    explicit Manager(KeeperProbe& keeper) : keeper_{keeper} { start(); }

    void step(Input& in) {
        switch (in.byte() % 12) {
            case 0: say(Message::keep, in, true); break;
            case 1: say(Message::drop, in, false); break;
            case 2: say(static_cast<Message>(in.byte() % 20), in, false); break;
            case 3: say_wrongly(in); break;
            case 4: say_raw(in); break;
            case 5: say_at_length(in); break;
            case 6: keeper_.turn(); break;
            case 7: hear(); break;
            case 8: die(); break;
            case 9: narrow(in.byte()); break;
            case 10: write_state(in); break;
            default: lose_process(in); break;
        }
    }

    // All is heard; then what is kept is what was said.
    void check() {
        limit_descriptors(numbers);
        keeper_.turn();
        ::close(socket_);
        keeper_.bury();
        const auto kept = keeper_.kept();
        for (const auto& [key, fd] : kept) {
            const int which = file_of(fd);
            require(key != 0 && (ever_[key] & 1U << static_cast<unsigned>(which)) != 0);
            if (exact_) require(now_.contains(key) && now_[key] == which);
        }
        if (exact_) require(kept.size() == now_.size());
    }

private:
    void start() {
        int pair[2];
        limit_descriptors(numbers);
        constexpr int how = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
        require(::socketpair(AF_UNIX, how, 0, pair) == 0);
        keeper_.connect(pair[0]);
        socket_ = pair[1];
    }
    void die() {
        ::close(socket_);
        keeper_.bury();
        start();
    }

    void send(const void* bytes, std::size_t length, const std::vector<int>& which) {
        static char long_enough[sizeof(Packet) + 64];
        require(length <= sizeof long_enough);
        std::memcpy(long_enough, bytes, length);
        Envelope envelope{reinterpret_cast<Packet*>(long_enough), length, 0};
        if (!which.empty()) envelope.seal(which.size());
        envelope.part.iov_len = length;
        for (std::size_t i = 0; i < which.size(); ++i) envelope.fds()[i] = keeper_.file[which[i]];
        if (::sendmsg(socket_, &envelope.header, MSG_DONTWAIT | MSG_NOSIGNAL) == -1) return;
        remember(long_enough, std::min(length, sizeof(Packet)), which);
    }

    // What the keeper will make of it.
    void remember(const char* bytes, std::size_t length, const std::vector<int>& which) {
        Packet packet{};
        std::memcpy(&packet, bytes, length);
        sent_ += which.size();
        if (length == 0 || sent_ > numbers / 2) exact_ = false;  // hung up; no room for all
        if (length != offsetof(Packet, keys) + packet.count * sizeof(std::uint64_t)) return;
        for (std::uint32_t i = 0; i < packet.count; ++i) {
            const std::uint64_t key = packet.keys[i];
            if (packet.type == Message::drop) now_.erase(key);
            if (packet.type != Message::keep || i >= which.size() || key == 0) continue;
            ever_[key] |= 1U << static_cast<unsigned>(which[i]);
            now_[key] = which[i];
        }
    }

    // Mostly few, as many take their time.
    static std::vector<int> few(std::uint8_t count, std::uint8_t first) {
        return some(static_cast<std::uint8_t>(count < 240 ? count % 8 : count % (most_keys + 1)),
                    first);
    }
    static std::vector<int> some(std::uint8_t count, std::uint8_t first) {
        std::vector<int> which;
        for (int i = 0; i < count; ++i) which.push_back((first + i) % files);
        return which;
    }
    static std::size_t take_keys(Input& in, Packet& packet) {
        const std::size_t count = in.byte() % 16;
        for (std::size_t i = 0; i < count; ++i) packet.keys[i] = in.byte();
        return count;
    }

    void say(Message type, Input& in, bool with_fds) {
        Packet packet{};
        packet.type = type;
        packet.count = static_cast<std::uint32_t>(take_keys(in, packet));
        std::size_t bytes = packet.count * sizeof(std::uint64_t);
        if (type == Message::reexec) bytes = packet.count;
        const auto count = with_fds ? static_cast<std::uint8_t>(packet.count) : std::uint8_t{0};
        send(&packet, offsetof(Packet, keys) + bytes, some(count, with_fds ? in.byte() : 0));
    }
    // Type, count, length and descriptors, each by itself.
    void say_wrongly(Input& in) {
        Packet packet{};
        packet.type = static_cast<Message>(in.byte() % 20);
        packet.count = in.number<std::uint32_t>();
        if (in.byte() % 2 == 0) packet.count %= 300;
        const std::size_t length =
            offsetof(Packet, keys) + take_keys(in, packet) * sizeof(uint64_t);
        const std::uint8_t count = in.byte();
        const auto which = few(count, in.byte());
        send(&packet, length, which);
    }
    void say_raw(Input& in) {
        const auto which = some(in.byte() % 5, 0);
        const auto bytes = in.take(in.byte());
        send(bytes.data(), bytes.size(), which);
    }
    // As long as it may be, or longer.
    void say_at_length(Input& in) {
        static char bytes[sizeof(Packet) + 64];
        const std::uint8_t kind = in.byte(), fill = in.byte();
        std::memset(bytes, fill, sizeof bytes);
        auto* packet = reinterpret_cast<Packet*>(bytes);
        packet->type = static_cast<Message>(kind % 20);
        packet->count = kind >= 128 ? most_path : most_keys;
        for (std::uint32_t i = 0; i < most_keys && fill % 2 == 0; ++i) packet->keys[i] = i;
        const std::size_t more = in.byte() % 65;
        send(bytes, sizeof(Packet) + more, few(in.byte(), fill));
    }

    void hear() {
        for (;;) {
            Packet packet;
            Envelope envelope{&packet, sizeof packet, sizeof envelope.control};
            const ssize_t got =
                ::recvmsg(socket_, &envelope.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
            if (got <= 0) return;
            const cmsghdr* c = CMSG_FIRSTHDR(&envelope.header);
            const size_t fds = c != nullptr ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
            const bool is_end = packet.type == Message::fds_end;
            require(packet.type == Message::fds || is_end);
            require(is_end == (packet.count == 0) && packet.count <= listed_at_once);
            require(fds == packet.count || (fds < packet.count && !exact_));
            require(got == static_cast<ssize_t>(offsetof(Packet, keys) + packet.count * 8));
            for (size_t i = 0; i < fds; ++i) {
                const auto bit = 1U << static_cast<unsigned>(file_of(envelope.fds()[i]));
                require((ever_[packet.keys[i]] & bit) != 0);
                ::close(envelope.fds()[i]);
            }
        }
    }

    int file_of(int fd) const {
        struct stat about {};
        require(::fstat(fd, &about) == 0);
        const auto* found = std::find(keeper_.inode, keeper_.inode + files, about.st_ino);
        require(found != keeper_.inode + files);
        return static_cast<int>(found - keeper_.inode);
    }

    // Numbers run out: for the keeper, which reads, and for what it may keep.
    void narrow(std::uint8_t count) {
        exact_ = false;
        limit_descriptors(std::max<int>(count, socket_ + 1));
    }
    void write_state(Input& in) {
        const std::size_t place = in.byte() % 64;
        state::Header& header = keeper_.header();
        header.slots = in.number<std::uint32_t>();
        header.next_unplaced = in.number<std::uint64_t>();
        const auto at = static_cast<off_t>(state::slots_at + place * sizeof(state::Slot));
        const auto bytes = in.take(sizeof(state::Slot));
        require(::pwrite(keeper_.memory(), bytes.data(), bytes.size(), at) >= 0);
    }
    void lose_process(Input& in) {
        const int pid = in.byte();
        keeper_.store_exit(pid, state::exited(in.byte()));
    }

    KeeperProbe& keeper_;
    int socket_ = -1;
    std::size_t sent_ = 0;                         // descriptors
    bool exact_ = true;                            // nothing was in the way of keeping them
    std::map<std::uint64_t, int> now_;             // the file under each key
    std::map<std::uint64_t, std::uint32_t> ever_;  // those that were sent with it, as bits
};

}  // namespace

}  // namespace reeve::init

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace reeve::init;
    static KeeperProbe keeper;
    keeper.forget();
    const auto before = open_descriptors();  // anew: the fuzzer's symbolizer has some, once it runs
    Input in{{reinterpret_cast<const char*>(data), size}};
    {
        Manager manager{keeper};
        for (int steps = 0; steps < 24 && !in.empty(); ++steps) manager.step(in);
        manager.check();
    }
    auto after = before;
    for (const auto& [key, fd] : keeper.kept()) after.push_back(fd);
    std::sort(after.begin(), after.end());
    require(open_descriptors() == after);  // each closed, or kept under one key
    keeper.forget();
    require(keeper.kept().empty() && open_descriptors() == before);
    return 0;
}
