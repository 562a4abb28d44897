// The manager's end of the keeper: descriptors and the state that outlive this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/init/layout.hpp"
#include "daemon/init/protocol.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::os {

class Custodian {
public:
    struct Kept {
        std::uint64_t key;  // not 0
        int fd;             // borrowed: the keeper gets a duplicate
    };

    // Takes over what the keeper left at the descriptors of init::Inherited, moves them out of the
    // way, and takes REEVE_KEEPER out of the environment. Null: no keeper is our parent. To be
    // called early, with one thread. Throws std::system_error (the state cannot be mapped, or has
    // another layout).
    static std::unique_ptr<Custodian> inherited();
    ~Custodian();
    Custodian(const Custodian&) = delete;
    Custodian& operator=(const Custodian&) = delete;

    // The state. Slots from slot_room() on are not there until grow() made them.
    [[nodiscard]] state::Header& header() const noexcept;
    [[nodiscard]] state::Slot* slots() const noexcept;
    [[nodiscard]] std::uint32_t slot_room() const noexcept { return slot_room_; }
    // Makes room for at least so many slots; header().slots is the caller's. False: no memory, or
    // more than most_slots; errno says why, and all is as it was.
    bool grow(std::uint32_t slots) noexcept;
    [[nodiscard]] int state_fd() const noexcept { return state_.get(); }

    // Readable: the keeper has stored an exit. exits_seen() before looking at the slots.
    [[nodiscard]] int exits_fd() const noexcept { return exits_.get(); }
    void exits_seen() const noexcept;

    // The keeper ends us when work that began has not ended after header().stuck_limit.
    void work_begins() const noexcept;
    void work_ends() const noexcept;

    // Descriptors. Each call sends at once what it can; what finds no room waits its turn (up to
    // a bound, beyond which it is lost and the log says so).
    void keep(std::span<const Kept> kept);
    void keep(std::uint64_t key, int fd);
    void drop(std::span<const std::uint64_t> keys);
    void drop(std::uint64_t key);
    // What an unknown past left under `old` keys goes, all that is not kept anew between the two.
    void note_kept() { noted_.emplace(); }
    void drop_the_rest(std::span<const std::uint64_t> old);
    // All that was kept, by key. Waits for the keeper, at most so long: what is missing then is
    // missing. Nothing of this class is to be called before it but the state.
    std::map<std::uint64_t, posix::Fd> take_back(
        std::chrono::milliseconds limit = std::chrono::seconds{1});

    void ready();  // we have taken over: from now on the keeper hands us signals
    void ended(int code, init::LastStep step = init::LastStep::exit);
    // Asks to be killed and replaced at once by `path` (empty: the same binary). Returns.
    void reexec(std::string_view path);

    // The socket, to be watched for EPOLLOUT while busy(); then flush(). EPOLLHUP: no keeper is
    // left, and nothing more is sent.
    [[nodiscard]] int socket_fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool busy() const noexcept { return !waiting_.empty(); }
    void flush();
    [[nodiscard]] bool is_orphaned() const noexcept { return orphaned_; }

private:
    struct Parcel {
        std::vector<char> bytes;
        std::vector<posix::Fd> fds;
    };
    enum class Sent { yes, later, never };

    Custodian(posix::Fd socket, posix::Fd state, posix::Fd exits, posix::Fd busy);
    void map_state();
    void post(const init::Packet& packet, std::size_t bytes, std::span<const int> fds);
    void post_keys(init::Message type, std::span<const std::uint64_t> keys,
                   std::span<const int> fds);
    Sent send(std::span<const char> bytes, std::span<const int> fds);
    bool receive(std::map<std::uint64_t, posix::Fd>& into);
    void arm(std::uint64_t nanoseconds) const noexcept;

    posix::Fd socket_, state_, exits_, busy_;
    char* base_ = nullptr;
    std::uint32_t slot_room_ = 0;
    std::deque<Parcel> waiting_;
    std::optional<std::set<std::uint64_t>> noted_;
    bool orphaned_ = false, has_lost_ = false;
};

}  // namespace reeve::os
