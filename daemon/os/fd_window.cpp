#include "daemon/os/fd_window.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "hal/posix/check.hpp"

namespace reeve::os {

using posix::check;

namespace {

// Of descriptors; 64 KiB of kernel memory, enough for a thousand services.
constexpr rlim_t table_size = 8'192;

void grow_table() {
    rlimit limit{};
    check(::getrlimit(RLIMIT_NOFILE, &limit), "read the limit of open files");
    const auto last = static_cast<int>(std::min(limit.rlim_cur, table_size)) - 1;
    const posix::Fd grown{::fcntl(0, F_DUPFD_CLOEXEC, last)};  // best effort
}

}  // namespace

FdWindow::FdWindow(unsigned threads)
    : null_{check(::open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null")} {
    if (null_.get() < 3) null_ = posix::Fd{::fcntl(null_.get(), F_DUPFD_CLOEXEC, 3)};
    end_ = static_cast<unsigned>(check(null_.get(), "reserve descriptors")) + 1;
    for (unsigned i = 0; i < threads; ++i) slots_.push_back({take(), take(), take(), take()});
    grow_table();
}

int FdWindow::take() {
    held_.emplace_back(check(::fcntl(null_.get(), F_DUPFD_CLOEXEC, 3), "reserve descriptors"));
    const int fd = held_.back().get();
    end_ = std::max(end_, static_cast<unsigned>(fd) + 1);
    return fd;
}

int FdWindow::fill(int slot, int fd) const noexcept {
    return ::dup3(fd >= 0 ? fd : null(), slot, O_CLOEXEC) == -1 ? -errno : 0;
}

bool has_descriptors_to_spare() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return true;
    const rlim_t spare = std::min<rlim_t>(64, limit.rlim_cur / 4);
    const posix::Fd lowest{::fcntl(0, F_DUPFD_CLOEXEC, 3)};  // the kernel gives the lowest
    return lowest && static_cast<rlim_t>(lowest.get()) + spare < limit.rlim_cur;
}

RaisedFileLimit::RaisedFileLimit() {
    check(::getrlimit(RLIMIT_NOFILE, &original_), "read the limit of open files");
    const rlimit raised{original_.rlim_max, original_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &raised);  // refused: then it stays as it is
}

RaisedFileLimit::~RaisedFileLimit() {
    ::setrlimit(RLIMIT_NOFILE, &original_);
}

}  // namespace reeve::os
