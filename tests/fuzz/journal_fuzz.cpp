// Whatever bytes the state holds: what is read back is what those bytes say, or they are refused.
// The first byte says where the rest goes: into the region of a journal as it is, or, as damage can
// hardly hit upon a checksum, behind it; up to an engine that takes over and goes on.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
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
#include "tests/fuzz/engine_story.hpp"
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

std::string unsummed(std::string bytes) {
    bytes.resize(bytes.size() - std::min(bytes.size(), sizeof(std::uint64_t)));
    return bytes;
}
// With the checksum that it should have.
std::string summed(std::string bytes) {
    const std::uint64_t sum = archive::checksum(bytes);
    for (unsigned shift = 0; shift < 64; shift += 8)
        bytes.push_back(static_cast<char>(sum >> shift));
    return bytes;
}

std::string snapshot_of(const core::Engine& engine) {
    return to_bytes(journal::Snapshot{engine.definitions(), engine.save(), "runs"});
}
core::Engine engine_of(const std::string& bytes) {
    const auto snapshot = journal::snapshot_from_bytes(bytes);
    return core::Engine::load({}, snapshot.definitions, snapshot.engine);
}

core::Engine with_sum(journal::Snapshot snapshot) {
    return core::Engine::load({}, snapshot.definitions, summed(std::move(snapshot.engine)));
}

// All that is asked of an engine; it goes through bytes as it is.
void look_at(const core::Engine& engine, core::TimePoint now) {
    for (const core::UnitId id : engine.all()) {
        static_cast<void>(engine.view(id));
        static_cast<void>(engine.why(id, now));
        static_cast<void>(engine.goes_with(id));
    }
    static_cast<void>(engine.events());
}

struct Told {
    core::Event event;
    core::TimePoint at;
    std::size_t actions;
};

constexpr int most_events = 48;

// An engine lives through events; one that has its snapshot and what it was told since is the same.
void story(std::string_view bytes) {
    fuzz::Bytes in{bytes};
    fuzz::Story story{in.byte()};
    const int saved_after = in.byte() % most_events;
    core::Engine engine;
    core::TimePoint now{std::chrono::seconds{1}};
    story.hear(engine.handle(story.units(), now));
    std::string snapshot;
    std::vector<Told> told;  // since the snapshot
    for (int i = 0; i < most_events && !in.empty(); ++i) {
        if (i == saved_after) snapshot = snapshot_of(engine);
        now = fuzz::Story::later(in, now, engine);
        auto event = story.event(in);
        const auto actions = engine.handle(event, now);
        story.hear(actions);
        if (!snapshot.empty()) told.push_back({std::move(event), now, actions.size()});
    }
    if (snapshot.empty()) snapshot = snapshot_of(engine);
    look_at(engine, now);
    auto again = engine_of(snapshot);
    require(snapshot_of(again) == snapshot);
    for (const Told& each : told) require(again.handle(each.event, each.at).size() == each.actions);
    require(again.save() == engine.save() && again.next_deadline() == engine.next_deadline());
}

// What was saved, changed in places, with a good checksum: refused, or lived with.
void changed(std::string_view bytes) {
    fuzz::Bytes in{bytes};
    fuzz::Story story{in.byte()};
    core::Engine engine;
    core::TimePoint now{std::chrono::seconds{1}};
    story.hear(engine.handle(story.units(), now));
    for (int before = in.byte() % 24; before > 0; --before) {
        now = fuzz::Story::later(in, now, engine);
        story.hear(engine.handle(story.event(in), now));
    }
    std::string saved =
        to_bytes(journal::Snapshot{engine.definitions(), unsummed(engine.save()), ""});
    for (int changes = in.byte() % 8; changes >= 0; --changes) {
        const std::size_t at = (in.byte() * 256U + in.byte()) % saved.size();
        saved[at] = static_cast<char>(in.byte());
    }
    auto next = with_sum(journal::snapshot_from_bytes(saved));
    look_at(next, now);
    for (int after = 0; after < 16 && !in.empty(); ++after) {
        now = fuzz::Story::later(in, now, next);
        story.hear(next.handle(story.event(in), now));
    }
    look_at(next, now);
    static_cast<void>(snapshot_of(next));
}

// A whole snapshot as it comes, but for the checksum of the engine's part.
void taken_over(std::string_view bytes) {
    auto snapshot = journal::snapshot_from_bytes(bytes);
    snapshot.engine = unsummed(std::move(snapshot.engine));
    auto engine = with_sum(std::move(snapshot));
    core::TimePoint now{std::chrono::seconds{100}};
    look_at(engine, now);
    engine.handle(core::TimePassed{}, now);
    engine.handle(core::ShutdownRequest{}, now += std::chrono::seconds{1});
    engine.handle(core::TimePassed{}, now += std::chrono::hours{1});
    look_at(engine, now);
    static_cast<void>(snapshot_of(engine));
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
            case 'g': story(rest); break;
            case 'c': changed(rest); break;
            case 't': taken_over(rest); break;
            default: snapshot(rest); break;
        }
    } catch (const std::invalid_argument&) {
        // Refused, with a reason.
    }
    return 0;
}
