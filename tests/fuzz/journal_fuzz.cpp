// Whatever bytes the state holds: what is read back is what those bytes say, or they are refused.
// The first byte says where the rest goes: into the region of a journal as it is, or, as one that
// damages can hardly hit upon a checksum, behind it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "daemon/core/engine.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/journal/record.hpp"
#include "daemon/journal/snapshot.hpp"
#include "units/unit_archive.hpp"

namespace {

using namespace reeve;

void require(bool holds) {
    if (!holds) std::abort();
}

struct State {
    State() : fd{::memfd_create("state", MFD_CLOEXEC)} {
        require(fd >= 0);
        header.magic = state::magic;
        header.layout = state::layout_version;
    }
    // The region holds `bytes` and nothing else.
    void fill(std::string_view bytes) {
        require(::ftruncate(fd, 0) == 0);
        header.active = 0;
        header.progress = 0;
        require(::pwrite(fd, bytes.data(), bytes.size(), state::journal_at[0]) ==
                static_cast<ssize_t>(bytes.size()));
    }
    int fd;
    state::Header header{};
};

template <class T>
std::string bytes_of(const T& value) {
    archive::Writer out;
    out(value);
    return out.take();
}

// What was read is written in one way only, and that is read as the same.
void event(std::string_view bytes) {
    auto in = archive::Reader::of_whole(bytes);
    const auto first = bytes_of(in.read<core::Event>());
    auto again = archive::Reader::of_whole(first);
    require(bytes_of(again.read<core::Event>()) == first);
    again.finish();
}

void unit(std::string_view bytes) {
    const auto first = units::unit_from_bytes(bytes);
    const auto again = units::unit_from_bytes(units::to_bytes(*first));
    require(units::to_bytes(*again) == units::to_bytes(*first));
}

void snapshot(std::string_view bytes) {
    const auto first = to_bytes(journal::snapshot_from_bytes(bytes));
    require(to_bytes(journal::snapshot_from_bytes(first)) == first);
}

// A successor reads it, goes on, and its own successor reads all of that.
void region(State& memory, std::string_view bytes) {
    memory.fill(bytes);
    const auto found = journal::recover(memory.fd, memory.header);
    require(found.end <= bytes.size() && (found.snapshot || found.events.empty()));
    journal::Journal journal{memory.fd, memory.header, found};
    const auto appended = journal.append(core::TimePassed{}, core::TimePoint{});
    require(appended.error == 0 && appended.sequence == found.last() + 1);
    auto again = journal::recover(memory.fd, memory.header);
    require(again.events.size() == found.events.size() + (found.snapshot ? 1 : 0));
    require(!again.torn || !found.snapshot);
    require(journal.compact("next", {}, core::TimePoint{}) == 0);
    again = journal::recover(memory.fd, memory.header);
    require(again.snapshot == "next" && again.events.empty() && !again.torn);
}

// One record of the bytes, with head and checksum as they should be.
std::string record(std::uint32_t kind, std::uint64_t sequence, std::string_view bytes) {
    const journal::RecordHead head{static_cast<std::uint32_t>(bytes.size()), kind, sequence};
    const std::uint64_t sum = journal::checksum(head, bytes);
    std::string out{reinterpret_cast<const char*>(&head), sizeof head};
    out.append(bytes).append(reinterpret_cast<const char*>(&sum), sizeof sum);
    return out;
}

// A snapshot, then events of the lengths that the bytes say.
std::string whole_region(std::string_view bytes) {
    std::string out = record(journal::snapshot_kind, 7, "snapshot");
    for (std::uint64_t sequence = 8; !bytes.empty(); ++sequence) {
        const auto length = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        const auto part = bytes.substr(0, length);
        out += record(journal::event_kind, sequence, part);
        bytes.remove_prefix(part.size());
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static State memory;
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    if (rest.empty()) return 0;
    const char where = rest.front();
    rest.remove_prefix(1);
    try {
        switch (where) {
            case 'r': region(memory, rest); break;
            case 'w': region(memory, whole_region(rest)); break;
            case 'e': event(rest); break;
            case 'u': unit(rest); break;
            default: snapshot(rest); break;
        }
    } catch (const std::invalid_argument&) {
        // Refused, with a reason.
    }
    return 0;
}
