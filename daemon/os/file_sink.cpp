#include "daemon/os/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace reeve::os {

namespace {

// The group of the folder is inherited (setgid), so that `adm` may read what packaging gave it.
bool make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0750) == 0 || errno == EEXIST) return true;
    const std::size_t slash = path.rfind('/');
    if (errno != ENOENT || slash == path.npos || slash == 0) return false;
    return make_folder(path.substr(0, slash)) &&
           (::mkdir(path.c_str(), 0750) == 0 || errno == EEXIST);
}

}  // namespace

std::size_t FileSink::batch() const noexcept {
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(place_.max_size, 512, 8192));
}

void FileSink::change(Place place) {
    if (place.folder != place_.folder) file_ = {};
    place_ = std::move(place);
}

bool FileSink::open() {
    if (file_) return true;
    if (!make_folder(place_.folder)) return false;
    constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    file_ = posix::Fd{::open(path().c_str(), flags, 0640)};
    struct stat now {};
    if (!file_ || ::fstat(file_.get(), &now) != 0) return false;
    regular_ = S_ISREG(now.st_mode);
    size_ = regular_ ? static_cast<std::uint64_t>(now.st_size) : 0;
    return true;
}

bool FileSink::rotate() {
    file_ = {};
    const auto old = [&](std::uint32_t number) { return path() + "." + std::to_string(number); };
    if (place_.keep == 0) return ::unlink(path().c_str()) == 0 || errno == ENOENT;
    for (std::uint32_t i = place_.keep - 1; i >= 1; --i)
        if (::rename(old(i).c_str(), old(i + 1).c_str()) != 0 && errno != ENOENT) return false;
    return ::rename(path().c_str(), old(1).c_str()) == 0 || errno == ENOENT;
}

bool FileSink::put(std::string_view& lines) {
    if (!open()) return false;
    const bool full = size_ > 0 && size_ + lines.size() > place_.max_size;
    if (regular_ && full && !(rotate() && open())) return false;
    while (!lines.empty()) {
        const ssize_t written = ::write(file_.get(), lines.data(), lines.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        lines.remove_prefix(static_cast<std::size_t>(written));
        size_ += static_cast<std::uint64_t>(written);
    }
    return true;
}

bool FileSink::try_put(std::string_view& lines) {
    if (put(lines)) return true;
    error_ = errno;
    file_ = {};  // the next attempt opens it anew: it may be another file system by then
    return false;
}

bool FileSink::write(std::string_view lines) {
    if (pending_.empty() && try_put(lines)) return true;
    pending_ += lines;
    return false;
}

bool FileSink::retry() {
    std::string_view rest = pending_;
    if (rest.empty()) return true;
    const bool done = try_put(rest);
    pending_.erase(0, pending_.size() - rest.size());
    if (done) pending_ = {};  // its memory too
    return done;
}

}  // namespace reeve::os
