#include "daemon/os/log_reader.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <span>

#include "hal/posix/check.hpp"

namespace reeve::os {

namespace {
constexpr std::size_t most_at_once = 32 << 10;
}

bool LogReader::read_on(std::uint64_t most, const LineAssembler::Emit& emit) {
    LogRing::Batch batch;
    std::uint64_t dropped = 0;
    for (std::uint64_t seen = 0; seen < most;) {
        if (!ring->read(cursor, batch, most_at_once)) return true;
        if (batch.lost > 0) {
            const LogPiece& first = batch.parts.front().piece;
            const std::uint64_t sum = batch.lost + lines.gap();
            emit({first.time, first.run, "-- " + std::to_string(sum) + " bytes dropped --"});
        }
        lines.feed(batch, dropped, emit);
        seen += batch.bytes.size() + batch.parts.size() * sizeof(LogPiece);
    }
    return ring->at_end(cursor);
}

void append_log_line(std::string& to, const std::string& unit, const LogLine& line) {
    append_log_time(to, line.time);
    to += ' ';
    to += unit;
    if (line.run != 0) to.append("[").append(std::to_string(line.run)).append("]");
    to += ' ';
    to += line.text;
    to += '\n';
}

namespace {

struct Found {
    std::uint64_t time;
    std::size_t begin, end;  // with its newline
};

// How many lines of one unit, in the order of its ring, were read before.
std::size_t read_before(std::string_view text, std::span<const Found> lines, std::string_view unit,
                        const LogResume& resume) {
    const auto line = [&](const Found& each) {
        return text.substr(each.begin, each.end - each.begin - 1);
    };
    const auto place = resume.after.find(unit);
    if (place == resume.after.end() && resume.since.empty()) return 0;
    std::size_t before = 0;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        number = i > 0 && lines[i].time == lines[i - 1].time ? number + 1 : 1;
        if (place == resume.after.end()) {
            if (line(lines[i]).substr(0, resume.since.size()) <= resume.since) before = i + 1;
        } else if (api::sum_of_line(line(lines[i])) == place->second.sum) {
            before = i + 1;
            if (number == place->second.number) break;
        }
    }
    return before;
}

}  // namespace

std::string log_snapshot(std::vector<LogReader>& readers, unsigned lines, std::uint64_t run,
                         bool finish, const LogResume& resume) {
    std::vector<Found> found;
    std::string text;
    for (LogReader& reader : readers) {
        const auto emit = [&](const LogLine& line) {
            if (run != 0 && line.run != run) return;
            const std::size_t begin = text.size();
            append_log_line(text, reader.name, line);
            found.push_back({line.time, begin, text.size()});
        };
        const std::size_t first = found.size();
        reader.read_on(std::numeric_limits<std::uint64_t>::max(), emit);
        if (finish) reader.lines.flush(emit);
        if (resume.after.empty() && resume.since.empty()) continue;
        const auto own = std::span{found}.subspan(first);
        const auto begin = found.begin() + static_cast<std::ptrdiff_t>(first);
        const auto before = read_before(text, own, reader.name, resume);
        found.erase(begin, begin + static_cast<std::ptrdiff_t>(before));
    }
    std::ranges::stable_sort(found, {}, &Found::time);
    const std::size_t skip = lines != 0 && found.size() > lines ? found.size() - lines : 0;
    std::string sorted;
    sorted.reserve(text.size());
    for (std::size_t i = skip; i < found.size(); ++i)
        sorted.append(text, found[i].begin, found[i].end - found[i].begin);
    return sorted;
}

posix::Fd sealed_text(const std::string& text) {
    using posix::check;
    posix::Fd file{check(::memfd_create("reeve-logs", MFD_CLOEXEC | MFD_ALLOW_SEALING),
                         "memfd_create for logs")};
    for (std::size_t done = 0; done < text.size();) {
        const auto put = check(
            ::pwrite(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(done)),
            "copy logs");
        done += static_cast<std::size_t>(put);
    }
    constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    check(::fcntl(file.get(), F_ADD_SEALS, seals), "seal a copy of logs");
    return file;
}

}  // namespace reeve::os
