#include "daemon/journal/recover.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "daemon/journal/record.hpp"
#include "hal/posix/check.hpp"

namespace reeve::journal {

namespace {

static_assert(sizeof(off_t) == 8, "the second region lies beyond 4 GiB");

[[noreturn]] void refuse(const std::string& why) {
    throw std::invalid_argument{"state: " + why};
}

void check_header(const state::Header& header) {
    if (header.magic != state::magic) refuse("not that of a manager");
    if (header.layout != state::layout_version)
        refuse("layout " + std::to_string(header.layout) + "; this program reads " +
               std::to_string(state::layout_version));
    if (header.active > 1) refuse("there is no journal " + std::to_string(header.active));
}

// As many bytes as are there before the first hole: no claim of a record is trusted beyond it.
std::string read_region(int fd, off_t begin) {
    struct stat file {};
    posix::check(::fstat(fd, &file), "look at the state");
    if (file.st_size <= begin) return {};
    off_t end = std::min<off_t>(file.st_size, begin + static_cast<off_t>(region_size));
    const off_t hole = ::lseek(fd, begin, SEEK_HOLE);
    if (hole >= 0) end = std::min(end, hole);
    std::string bytes(static_cast<std::size_t>(end - begin), '\0');
    std::size_t got = 0;
    while (got < bytes.size()) {
        const ssize_t more =
            ::pread(fd, bytes.data() + got, bytes.size() - got, begin + static_cast<off_t>(got));
        if (more < 0 && errno == EINTR) continue;
        posix::check(more, "read the state");
        if (more == 0) break;
        got += static_cast<std::size_t>(more);
    }
    bytes.resize(got);
    return bytes;
}

struct Record {
    RecordHead head{};
    std::string_view bytes;
};

// nullopt: no whole record stands there.
std::optional<Record> record_at(std::string_view rest) {
    Record record;
    if (rest.size() < record_overhead) return std::nullopt;
    std::memcpy(&record.head, rest.data(), sizeof record.head);
    rest.remove_prefix(sizeof record.head);
    std::uint64_t sum = 0;
    if (record.head.length > rest.size() - sizeof sum) return std::nullopt;
    record.bytes = rest.substr(0, record.head.length);
    std::memcpy(&sum, rest.data() + record.head.length, sizeof sum);
    if (sum != checksum(record.head, record.bytes)) return std::nullopt;
    return record;
}

Entry entry_of(const Record& record) {
    Entry entry;
    entry.sequence = record.head.sequence;
    auto in = archive::Reader::of_whole(record.bytes);
    in(entry.at);
    if (record.head.kind == note_kind)
        in(entry.note.emplace());
    else
        in(entry.event);
    in.finish();
    return entry;
}

}  // namespace

Recovered recover(int fd, const state::Header& header) {
    check_header(header);
    const std::string bytes = read_region(fd, static_cast<off_t>(state::journal_at[header.active]));
    Recovered out;
    std::string_view rest = bytes;
    while (const auto record = record_at(rest)) {
        if (!out.snapshot) {
            if (record->head.kind != snapshot_kind)
                refuse("a journal that begins with kind " + std::to_string(record->head.kind));
            out.snapshot = record->bytes;
            out.through = record->head.sequence;
        } else {
            if (record->head.sequence != out.last() + 1) break;  // what an older one has left
            if (record->head.kind != event_kind && record->head.kind != note_kind)
                refuse("a record of kind " + std::to_string(record->head.kind));
            out.events.push_back(entry_of(*record));
        }
        rest.remove_prefix(record_overhead + record->bytes.size());
    }
    out.end = bytes.size() - rest.size();
    out.torn = rest.find_first_not_of('\0') != std::string_view::npos;
    return out;
}

}  // namespace reeve::journal
