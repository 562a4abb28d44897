#include "daemon/os/log_lines.hpp"

#include <ctime>

#include <algorithm>
#include <array>

namespace reeve::os {

void LineAssembler::feed(const LogPiece& piece, std::uint32_t within, std::string_view bytes,
                         std::uint64_t& dropped, const Emit& emit) {
    if (piece.length == 0) return flush(emit);
    Partial& partial = partials_[static_cast<std::size_t>(piece.stream)];
    std::uint64_t at = piece.offset + within;
    if (at < partial.offset) {
        const std::uint64_t known = std::min<std::uint64_t>(partial.offset - at, bytes.size());
        bytes.remove_prefix(known);
        at += known;
    }
    if (at == piece.offset && piece.fresh) {
        finish(partial, emit);  // of an earlier run, which ended in the middle of a line
        partial.skipped = 0;
        partial.in_step = true;
    }
    while (!bytes.empty()) {
        const std::size_t room = longest - partial.text.size();
        const std::size_t newline = bytes.substr(0, room + 1).find('\n');
        const bool whole = newline != bytes.npos;
        const bool ended = whole || bytes.size() > room;
        const std::string_view text =
            bytes.substr(0, whole ? newline : std::min(room, bytes.size()));
        const std::uint64_t began = at;
        at += text.size() + (whole ? 1 : 0);
        bytes.remove_prefix(text.size() + (whole ? 1 : 0));
        if (!partial.in_step) {
            partial.skipped += text.size() + (whole ? 1 : 0);
            dropped += text.size() + (whole ? 1 : 0);
            partial.in_step = whole || partial.skipped >= longest;
        } else if (ended && partial.text.empty()) {
            emit({piece.time, piece.run, text});
        } else {
            if (partial.text.empty()) {
                partial.time = piece.time;
                partial.run = piece.run;
                partial.offset = began;
            }
            partial.text += text;
            if (ended) finish(partial, emit);
        }
    }
}

void LineAssembler::feed(const LogRing::Batch& batch, std::uint64_t& dropped, const Emit& emit) {
    if (batch.lost > 0) dropped += batch.lost + gap();
    std::string_view bytes = batch.bytes;
    for (const auto& part : batch.parts) {
        feed(part.piece, part.within, bytes.substr(0, part.size), dropped, emit);
        bytes.remove_prefix(part.size);
    }
}

std::uint64_t LineAssembler::gap() {
    std::uint64_t dropped = 0;
    for (Partial& partial : partials_) {
        dropped += partial.text.size();
        partial = {};
    }
    return dropped;
}

void LineAssembler::finish(Partial& partial, const Emit& emit) {
    if (partial.text.empty()) return;
    emit({partial.time, partial.run, partial.text});
    partial.text.clear();
    if (partial.text.capacity() > 1024) partial.text.shrink_to_fit();
}

void LineAssembler::flush(const Emit& emit) {
    for (Partial& partial : partials_) finish(partial, emit);
}

void LineAssembler::mark(LogMark& mark) const {
    mark.in_step = 0;
    for (std::size_t i = 0; i < 2; ++i) {
        const Partial& partial = partials_[i];
        mark.unfinished[i] = static_cast<std::uint32_t>(partial.text.size());
        mark.line[i] = partial.text.empty() ? mark.position : partial.offset;
        if (partial.in_step) mark.in_step |= 1U << i;
    }
}

void LineAssembler::resume(const LogMark& mark, LogStream stream, bool gone) {
    const auto i = static_cast<std::size_t>(stream);
    partials_[i] = {};
    partials_[i].offset = gone ? mark.position : mark.line[i];
    partials_[i].in_step = !gone && (mark.in_step >> i & 1U) != 0;
}

void append_log_time(std::string& to, std::uint64_t microseconds) {
    // Most lines come within the second of the one before.
    thread_local std::uint64_t second = ~std::uint64_t{0};
    thread_local std::array<char, 32> prefix{};
    thread_local std::size_t length = 0;
    if (microseconds / 1'000'000 != second) {
        second = microseconds / 1'000'000;
        const auto seconds = static_cast<std::time_t>(second);
        std::tm parts{};
        ::gmtime_r(&seconds, &parts);
        length = std::strftime(prefix.data(), prefix.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
    }
    auto fraction = static_cast<std::uint32_t>(microseconds % 1'000'000);
    std::array<char, 7> digits{'0', '0', '0', '0', '0', '0', 'Z'};
    for (std::size_t i = 6; i-- > 0; fraction /= 10)
        digits[i] = static_cast<char>('0' + fraction % 10);
    to.append(prefix.data(), length).append(digits.data(), digits.size());
}

std::string log_time(std::uint64_t microseconds) {
    std::string text;
    append_log_time(text, microseconds);
    return text;
}

std::uint64_t log_clock() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace reeve::os
