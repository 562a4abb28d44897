#include "ctl/screen.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "ctl/text.hpp"
#include "hal/posix/check.hpp"

namespace reeve::ctl {

namespace {

struct Size {
    std::size_t columns = 0;
    std::size_t rows = 0;
};

Size size_of(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == -1 || size.ws_col == 0) return {80, 24};
    return {size.ws_col, size.ws_row};
}

}  // namespace

Screen::Screen() {
    terminal_ = ::isatty(STDOUT_FILENO) == 1;
    const char* term = std::getenv("TERM");
    const bool dumb = term == nullptr || std::string_view{term} == "dumb";
    if (terminal_) {
        const Size size = size_of(STDOUT_FILENO);
        columns_ = size.columns;
        rows_ = size.rows;
        colour_ = !dumb && std::getenv("NO_COLOR") == nullptr;
    }
    if (::isatty(STDERR_FILENO) == 1 && !dumb) progress_columns_ = size_of(STDERR_FILENO).columns;
}

Screen::~Screen() {
    try {
        clear_progress();
    } catch (const std::exception&) {  // the terminal has gone: nothing is on it
    }
}

void Screen::flush() {
    if (out.empty()) return;
    const std::string text = std::exchange(out, {});
    clear_progress();
    write_all(STDOUT_FILENO, text, "write to standard output");
}

void Screen::progress(std::string_view text) {
    if (progress_columns_ == 0) return;
    // One column less: a full line would wrap on some terminals, and stay.
    write_all(STDERR_FILENO, "\r\033[K" + shorten(printable(text), progress_columns_ - 1),
              "write to the terminal");
    shown_ = true;
}

void Screen::clear_progress() {
    if (!std::exchange(shown_, false)) return;
    write_all(STDERR_FILENO, "\r\033[K", "write to the terminal");
}

void write_all(int fd, std::string_view text, const char* what) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {  // somebody made our terminal non-blocking
            pollfd wait{fd, POLLOUT, 0};
            ::poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            posix::check(written, what);
        }
    }
}

}  // namespace reeve::ctl
