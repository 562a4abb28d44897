#include "daemon/os/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "daemon/os/log_layout.hpp"
#include "hal/posix/crash_point.hpp"

namespace reeve::os {

using posix::crash_point;
using posix::CrashPoint;

namespace {

// The group of the folder is inherited (setgid), so that `adm` may read what packaging gave it.
bool make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0750) == 0 || errno == EEXIST) return true;
    const std::size_t slash = path.rfind('/');
    if (errno != ENOENT || slash == path.npos || slash == 0) return false;
    return make_folder(path.substr(0, slash)) &&
           (::mkdir(path.c_str(), 0750) == 0 || errno == EEXIST);
}

// A FIFO or a device has no size and is not rotated: 0.
std::uint64_t identity(const struct stat& of) {
    if (!S_ISREG(of.st_mode)) return 0;
    return of.st_ino ^ (std::uint64_t{of.st_dev} << 40U) ^ std::uint64_t{1} << 63U;
}

}  // namespace

void FileSink::change(Place place) {
    if (place.folder != place_.folder) file_ = {};
    place_ = std::move(place);
}

bool FileSink::open() {
    if (file_) return true;
    if (!make_folder(place_.folder)) return false;
    constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    file_ = posix::Fd{::open(path().c_str(), flags, 0640)};
    return static_cast<bool>(file_);
}

bool FileSink::rotate() {
    file_ = {};
    const auto old = [&](std::uint32_t number) { return path() + "." + std::to_string(number); };
    if (place_.keep == 0) return ::unlink(path().c_str()) == 0 || errno == ENOENT;
    for (std::uint32_t i = place_.keep - 1; i >= 1; --i)
        if (::rename(old(i).c_str(), old(i + 1).c_str()) != 0 && errno != ENOENT) return false;
    return ::rename(path().c_str(), old(1).c_str()) == 0 || errno == ENOENT;
}

// As many whole lines as may go into one file together, at least one.
std::size_t FileSink::first_part(std::string_view lines) const {
    const auto most =
        static_cast<std::size_t>(std::clamp<std::uint64_t>(place_.max_size, 512, 8192));
    if (lines.size() <= most) return lines.size();
    const std::size_t last = lines.rfind('\n', most - 1);
    const std::size_t end = last != lines.npos ? last : lines.find('\n', most);
    return end != lines.npos ? end + 1 : lines.size();
}

bool FileSink::put(std::string_view& lines, Witness& witness) {
    while (!lines.empty())
        if (!open() || !put_part(lines, witness)) return false;
    return true;
}

bool FileSink::put_part(std::string_view& lines, Witness& witness) {
    struct stat now {};
    if (::fstat(file_.get(), &now) != 0) return false;
    std::size_t part = first_part(lines);
    const auto size = static_cast<std::uint64_t>(now.st_size);
    if (S_ISREG(now.st_mode) && size > 0 && size + part > place_.max_size) {
        witness.about_to(0, 0, lines.size());  // the next file may look like this one
        crash_point(CrashPoint::log_rotating);
        if (!rotate() || !open() || ::fstat(file_.get(), &now) != 0) return false;
        crash_point(CrashPoint::log_rotated);
    }
    witness.about_to(identity(now), static_cast<std::uint64_t>(now.st_size), lines.size());
    crash_point(CrashPoint::log_writing);
    while (part > 0) {
        const ssize_t written = ::write(file_.get(), lines.data(), part);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        lines.remove_prefix(static_cast<std::size_t>(written));
        part -= static_cast<std::size_t>(written);
    }
    crash_point(CrashPoint::log_written);
    if (!S_ISREG(now.st_mode)) witness.about_to(0, 0, lines.size());
    return true;
}

bool FileSink::try_put(std::string_view& lines, Witness& witness) {
    if (put(lines, witness)) return true;
    error_ = errno;
    file_ = {};  // the next attempt opens it anew: it may be another file system by then
    return false;
}

bool FileSink::write(std::string_view lines, Witness& witness) {
    if (pending_.empty() && try_put(lines, witness)) return true;
    pending_ += lines;
    return false;
}

bool FileSink::retry(Witness& witness) {
    std::string_view rest = pending_;
    if (rest.empty()) return true;
    const bool done = try_put(rest, witness);
    pending_.erase(0, pending_.size() - rest.size());
    if (done) pending_ = {};  // its memory too
    return done;
}

std::optional<FileSink::Found> FileSink::find(std::uint64_t file) const {
    for (const char* suffix : {"", ".1"}) {
        constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
        const posix::Fd candidate{::open((path() + suffix).c_str(), flags)};
        struct stat now {};
        if (!candidate || ::fstat(candidate.get(), &now) != 0 || identity(now) != file) continue;
        char last = '\n';
        if (now.st_size > 0 && ::pread(candidate.get(), &last, 1, now.st_size - 1) != 1) last = 0;
        return Found{static_cast<std::uint64_t>(now.st_size), last == '\n'};
    }
    return std::nullopt;
}

}  // namespace reeve::os
