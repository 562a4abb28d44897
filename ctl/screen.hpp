// What the command prints: gathered, then written at once; and the one line of progress.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ctl/table.hpp"

namespace reeve::ctl {

class Screen {
public:
    Screen();
    ~Screen();  // takes the line of progress away
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    std::string out;  // appended to by commands, written by flush()
    void flush();     // throws std::system_error: standard output is full or gone

    [[nodiscard]] bool is_terminal() const noexcept { return terminal_; }
    [[nodiscard]] bool colour() const noexcept { return colour_; }
    [[nodiscard]] std::size_t columns() const noexcept { return columns_; }  // 0: no limit
    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }        // 0: no limit
    [[nodiscard]] std::string painted(Style style, std::string_view text) const {
        return paint(style, text, colour_);
    }
    [[nodiscard]] Table::Layout layout() const { return {columns_, colour_, true}; }

    // One line on the terminal of standard error that replaces the one before; nothing elsewhere.
    void progress(std::string_view text);
    void clear_progress();
    [[nodiscard]] bool shows_progress() const noexcept { return progress_columns_ != 0; }

private:
    bool terminal_ = false;
    bool colour_ = false;
    bool shown_ = false;
    std::size_t columns_ = 0;
    std::size_t rows_ = 0;
    std::size_t progress_columns_ = 0;
};

// All of `text`, EINTR and short writes seen to. Throws std::system_error.
void write_all(int fd, std::string_view text, const char* what);

}  // namespace reeve::ctl
