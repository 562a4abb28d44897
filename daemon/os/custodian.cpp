#include "daemon/os/custodian.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "hal/posix/check.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

using init::Message;
using init::Packet;
using posix::check;

namespace {

constexpr std::size_t head = offsetof(Packet, keys);
constexpr std::size_t most_waiting = 4'096;  // parcels
constexpr std::size_t grown_by = 4'096;      // bytes of the state: a page, so many slots at once
constexpr int first_free = 64;               // below lies what children are made from (FdWindow)

// One packet with its descriptors, as sendmsg and recvmsg want it.
class Envelope {
public:
    Envelope(void* bytes, std::size_t size) : part_{bytes, size} {
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
        header_.msg_control = control_.data();
        header_.msg_controllen = control_.size();
    }
    void enclose(std::span<const int> fds) {
        header_.msg_controllen = 0;
        if (fds.empty()) return;
        header_.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* c = CMSG_FIRSTHDR(&header_);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
    }
    // What came, in the order of its keys.
    std::vector<posix::Fd> unpack() {
        std::vector<posix::Fd> fds;
        for (cmsghdr* c = CMSG_FIRSTHDR(&header_); c != nullptr; c = CMSG_NXTHDR(&header_, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
                int fd = -1;
                std::memcpy(&fd, reinterpret_cast<char*>(c) + at, sizeof fd);
                fds.emplace_back(fd);
            }
        }
        return fds;
    }
    msghdr* operator&() { return &header_; }  // NOLINT(google-runtime-operator)

private:
    iovec part_;
    msghdr header_{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * init::most_keys)> control_{};
};

posix::Fd moved_up(int fd) {
    posix::Fd low{fd};
    int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, first_free);
    if (moved == -1 && errno == EINVAL) moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);  // a low limit
    return posix::Fd{check(moved, "take over from the keeper")};
}

}  // namespace

std::unique_ptr<Custodian> Custodian::inherited() {
    const char* keeper = std::getenv("REEVE_KEEPER");
    const bool is_ours = keeper != nullptr && std::atoi(keeper) == ::getppid();
    ::unsetenv("REEVE_KEEPER");
    if (!is_ours) return nullptr;
    // One after the other, each into an owner.
    posix::Fd socket = moved_up(init::socket_fd), state = moved_up(init::state_fd),
              exits = moved_up(init::exits_fd), busy = moved_up(init::busy_fd);
    return std::unique_ptr<Custodian>{
        new Custodian{std::move(socket), std::move(state), std::move(exits), std::move(busy)}};
}

Custodian::Custodian(posix::Fd socket, posix::Fd state, posix::Fd exits, posix::Fd busy)
    : socket_{std::move(socket)},
      state_{std::move(state)},
      exits_{std::move(exits)},
      busy_{std::move(busy)} {
    map_state();
}

Custodian::~Custodian() {
    if (base_ != nullptr) ::munmap(base_, state::mapped_size);
}

void Custodian::map_state() {
    struct stat about {};
    check(::fstat(state_.get(), &about), "look at the state");
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size < state::slots_at)
        throw std::system_error{EINVAL, std::generic_category(), "map the state"};
    void* mapped =
        ::mmap(nullptr, state::mapped_size, PROT_READ | PROT_WRITE, MAP_SHARED, state_.get(), 0);
    if (mapped == MAP_FAILED)
        throw std::system_error{errno, std::generic_category(), "map the state"};
    base_ = static_cast<char*>(mapped);
    if (header().magic != state::magic || header().layout != state::layout_version) {
        ::munmap(std::exchange(base_, nullptr), state::mapped_size);
        throw std::system_error{EPROTO, std::generic_category(),
                                "read the state: its layout is another version's"};
    }
    // The journal lies far beyond the slots, so the size says nothing of them; what was used does.
    const std::uint32_t used = std::min(header().slots, state::most_slots);
    if (used > 0) grow(used);
}

state::Header& Custodian::header() const noexcept {
    return *reinterpret_cast<state::Header*>(base_);
}

state::Slot* Custodian::slots() const noexcept {
    return reinterpret_cast<state::Slot*>(base_ + state::slots_at);
}

// fallocate and not ftruncate alone: memory that cannot be had is an error here, not a signal at
// the first store. It lengthens the file too.
bool Custodian::grow(std::uint32_t slots) noexcept {
    if (slots <= slot_room_) return true;
    if (slots > state::most_slots) {
        errno = ENOSPC;
        return false;
    }
    const std::size_t bytes = (slots * sizeof(state::Slot) + grown_by - 1) / grown_by * grown_by;
    const std::size_t from = slot_room_ * sizeof(state::Slot);
    int result = 0;
    do
        result = ::fallocate(state_.get(), 0, static_cast<off_t>(state::slots_at + from),
                             static_cast<off_t>(bytes - from));
    while (result == -1 && errno == EINTR);
    if (result == -1) return false;
    slot_room_ = static_cast<std::uint32_t>(bytes / sizeof(state::Slot));
    return true;
}

void Custodian::exits_seen() const noexcept {
    eventfd_t count = 0;
    (void)::eventfd_read(exits_.get(), &count);  // EAGAIN: seen already
}

void Custodian::arm(std::uint64_t nanoseconds) const noexcept {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
    (void)::timerfd_settime(busy_.get(), 0, &when, nullptr);
}

void Custodian::work_begins() const noexcept {
    arm(header().stuck_limit);
}

void Custodian::work_ends() const noexcept {
    arm(0);
}

void Custodian::keep(std::span<const Kept> kept) {
    std::vector<std::uint64_t> keys;
    std::vector<int> fds;
    for (const Kept& each : kept) keys.push_back(each.key), fds.push_back(each.fd);
    if (noted_) noted_->insert(keys.begin(), keys.end());
    post_keys(Message::keep, keys, fds);
}

void Custodian::keep(std::uint64_t key, int fd) {
    if (noted_) noted_->insert(key);
    post_keys(Message::keep, std::span{&key, 1}, std::span{&fd, 1});
}

void Custodian::drop_the_rest(std::span<const std::uint64_t> old) {
    const auto noted = std::exchange(noted_, std::nullopt).value_or(std::set<std::uint64_t>{});
    for (const std::uint64_t key : old)
        if (!noted.contains(key)) drop(key);
}

void Custodian::drop(std::span<const std::uint64_t> keys) {
    post_keys(Message::drop, keys, {});
}

void Custodian::drop(std::uint64_t key) {
    drop(std::span{&key, 1});
}

void Custodian::ready() {
    post_keys(Message::ready, {}, {});
}

void Custodian::ended(int code, init::LastStep step) {
    const std::array<std::uint64_t, 2> keys{static_cast<std::uint64_t>(code),
                                            static_cast<std::uint64_t>(step)};
    post_keys(Message::ended, keys, {});
}

void Custodian::reexec(std::string_view path) {
    Packet packet{Message::reexec, static_cast<std::uint32_t>(path.size()), {}};
    if (path.size() >= init::most_path)
        throw std::system_error{ENAMETOOLONG, std::generic_category(), "start another binary"};
    std::ranges::copy(path, reinterpret_cast<char*>(packet.keys));
    post(packet, head + path.size(), {});
}

// Messages without keys have one packet all the same.
void Custodian::post_keys(Message type, std::span<const std::uint64_t> keys,
                          std::span<const int> fds) {
    do {
        const std::size_t count = std::min<std::size_t>(keys.size(), init::most_keys);
        Packet packet{type, static_cast<std::uint32_t>(count), {}};
        std::ranges::copy(keys.first(count), packet.keys);
        post(packet, head + count * sizeof(std::uint64_t), fds.first(std::min(count, fds.size())));
        keys = keys.subspan(count);
        fds = fds.subspan(std::min(count, fds.size()));
    } while (!keys.empty());
}

void Custodian::post(const Packet& packet, std::size_t bytes, std::span<const int> fds) {
    const std::span<const char> text{reinterpret_cast<const char*>(&packet), bytes};
    flush();
    if (waiting_.empty() && send(text, fds) != Sent::later) return;
    Parcel parcel{{text.begin(), text.end()}, {}};
    int lost_for = waiting_.size() >= most_waiting ? EAGAIN : 0;
    for (std::size_t i = 0; i < fds.size() && lost_for == 0; ++i) {
        parcel.fds.emplace_back(::fcntl(fds[i], F_DUPFD_CLOEXEC, 10));
        if (!parcel.fds.back()) lost_for = errno;
    }
    if (lost_for == 0) {
        waiting_.push_back(std::move(parcel));
    } else if (!std::exchange(has_lost_, true)) {
        log::error("{}: not all that should outlive this process does",
                   lost_for == EAGAIN
                       ? "the keeper does not read"
                       : fmt::format("cannot have the keeper wait for a descriptor: {}",
                                     std::strerror(lost_for)));
    }
}

void Custodian::flush() {
    while (!waiting_.empty()) {
        const Parcel& next = waiting_.front();
        std::vector<int> fds;
        for (const auto& fd : next.fds) fds.push_back(fd.get());
        if (send(next.bytes, fds) == Sent::later) return;
        waiting_.pop_front();
    }
    has_lost_ = false;
}

Custodian::Sent Custodian::send(std::span<const char> bytes, std::span<const int> fds) {
    if (orphaned_) return Sent::never;
    Envelope envelope{const_cast<char*>(bytes.data()), bytes.size()};
    envelope.enclose(fds);
    ssize_t sent = 0;
    do sent = ::sendmsg(socket_.get(), &envelope, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent == -1 && errno == EINTR);
    if (sent >= 0) {
        posix::crash_point(posix::CrashPoint::sent_to_keeper);
        return Sent::yes;
    }
    // Too many descriptors on their way, or no memory for one more: that passes.
    for (const int passing : {EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS})
        if (errno == passing) return Sent::later;
    const int why = errno;
    orphaned_ = why == EPIPE || why == ECONNRESET;
    log::error("cannot {}: {}", orphaned_ ? "reach the keeper, it has gone" : "tell the keeper",
               std::strerror(why));
    return Sent::never;
}

std::map<std::uint64_t, posix::Fd> Custodian::take_back(std::chrono::milliseconds limit) {
    using Clock = std::chrono::steady_clock;
    std::map<std::uint64_t, posix::Fd> all;
    post_keys(Message::give_back, {}, {});
    const auto end = Clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd answer{socket_.get(), POLLIN, 0};
        const int got = left > 0 ? ::poll(&answer, 1, static_cast<int>(left)) : 0;
        if (got == -1 && errno == EINTR) continue;
        if (got <= 0) {
            log::error("the keeper has not given back all that it kept");
            return all;
        }
        if (!receive(all)) return all;
    }
}

// False: that was the last.
bool Custodian::receive(std::map<std::uint64_t, posix::Fd>& into) {
    Packet packet{};
    Envelope envelope{&packet, sizeof packet};
    const ssize_t got = ::recvmsg(socket_.get(), &envelope, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got == -1 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM)) return true;
    auto fds = got > 0 ? envelope.unpack() : std::vector<posix::Fd>{};
    if (got < static_cast<ssize_t>(head) || packet.type != Message::fds) {
        if (got > 0 && packet.type == Message::fds_end) return false;
        log::error("cannot take back what the keeper has: {}",
                   got < 0 ? std::strerror(errno) : "it has gone, or says what is not understood");
        return false;
    }
    const std::size_t keys = (static_cast<std::size_t>(got) - head) / sizeof(std::uint64_t);
    if (fds.size() < keys) log::error("{} descriptors did not come back", keys - fds.size());
    for (std::size_t i = 0; i < std::min(keys, fds.size()); ++i)
        into.insert_or_assign(packet.keys[i], std::move(fds[i]));
    return true;
}

}  // namespace reeve::os
