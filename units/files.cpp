#include "units/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "units/text_scan.hpp"

namespace reeve::units {

namespace {

class File {
public:
    explicit File(const std::string& path)
        : fd_{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)} {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

std::string error_text(int error) {
    return std::string{"cannot read: "} + std::strerror(error);
}

FileText failed(std::string why) {
    return {FileText::Kind::failed, std::move(why)};
}

bool is_dev_null(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

}  // namespace

FileText read_text(const std::string& path) {
    const File file{path};
    if (file.get() < 0) return failed(error_text(errno));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return failed(error_text(errno));
    if (is_dev_null(status)) return {FileText::Kind::masked, {}};
    if (!S_ISREG(status.st_mode)) return failed("not a regular file");
    FileText result{FileText::Kind::text, {}};
    // One byte more than it has, so that the first read meets the end as a rule.
    std::size_t room =
        std::min<std::size_t>(static_cast<std::size_t>(status.st_size), max_text) + 1;
    while (result.text.size() <= max_text) {
        const std::size_t before = result.text.size();
        result.text.resize(before + room);
        const ssize_t count = ::read(file.get(), result.text.data() + before, room);
        if (count < 0 && errno != EINTR) return failed(error_text(errno));
        result.text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count == 0 || (count > 0 && static_cast<std::size_t>(count) < room)) break;
        room = 4096;
    }
    if (result.text.size() > max_text) return failed("larger than 1 MiB");
    if (result.text.empty()) result.kind = FileText::Kind::masked;
    return result;
}

namespace {

constexpr std::int64_t second = 1'000'000'000;

std::int64_t nanoseconds(const timespec& at) {
    return static_cast<std::int64_t>(at.tv_sec) * second + at.tv_nsec;
}

// A second change could leave the same time behind: clocks of file systems tick slowly, those that
// tell no fractions every two seconds.
bool may_change_unseen(const timespec& changed, std::int64_t now) {
    const std::int64_t tick = changed.tv_nsec == 0 ? 2 * second : second / 10;
    return now - nanoseconds(changed) < tick;
}

class Hash {
public:
    void add(std::string_view bytes) {
        for (const char byte : bytes) mix(static_cast<unsigned char>(byte));
        mix(bytes.size());
    }
    void mix(std::uint64_t word) {
        value_ = (value_ ^ word) * 0x9E3779B97F4A7C15U;
        value_ ^= value_ >> 29U;
    }
    [[nodiscard]] std::uint64_t value() const { return value_ == 0 ? 1 : value_; }

private:
    std::uint64_t value_ = 14695981039346656037U;
};

}  // namespace

std::uint64_t stamp_of(const std::vector<const std::string*>& paths, std::int64_t now) {
    Hash hash;
    for (const std::string* path : paths) {
        struct stat status {};
        if (::stat(path->c_str(), &status) != 0) return 0;
        if (may_change_unseen(status.st_ctim, now) || may_change_unseen(status.st_mtim, now))
            return 0;
        hash.add(*path);
        hash.mix(status.st_dev);
        hash.mix(status.st_ino);
        hash.mix(static_cast<std::uint64_t>(status.st_size));
        hash.mix(status.st_mode);
        hash.mix(static_cast<std::uint64_t>(nanoseconds(status.st_mtim)));
        hash.mix(static_cast<std::uint64_t>(nanoseconds(status.st_ctim)));
    }
    return hash.value();
}

std::optional<std::vector<std::string>> list_folder(const std::string& path, std::string& error) {
    const std::unique_ptr<DIR, CloseFolder> folder{::opendir(path.c_str())};
    if (!folder) {
        if (errno != ENOENT) error = error_text(errno);
        return std::nullopt;
    }
    std::vector<std::string> names;
    errno = 0;  // of readdir, as a part of the names is no list
    while (const dirent* entry = ::readdir(folder.get())) {
        names.emplace_back(entry->d_name);
        errno = 0;
    }
    if (errno != 0) {
        error = error_text(errno);
        return std::nullopt;
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace reeve::units
