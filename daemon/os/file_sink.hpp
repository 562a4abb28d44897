// One log file with rotation by size and count. Blocks, so the writer thread alone uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "hal/posix/fd.hpp"

namespace reeve::os {

class FileSink {
public:
    struct Place {
        std::string folder;  // DIRECTORY/UNIT; made when needed, with its parents
        std::uint64_t max_size = 1 << 20;
        std::uint32_t keep = 3;  // old files beside `current`: current.1 is the youngest
    };
    explicit FileSink(Place place) : place_{std::move(place)} {}

    // Appends whole lines. False: it could not, error() says why; what was not written is kept and
    // goes first when retry() works again.
    bool write(std::string_view lines);
    bool retry();
    [[nodiscard]] bool has_pending() const noexcept { return !pending_.empty(); }

    [[nodiscard]] int error() const noexcept { return error_; }

    void change(Place place);
    void reopen() noexcept { file_ = {}; }
    [[nodiscard]] std::string path() const { return place_.folder + "/current"; }
    // The most that one write() should bring, so that `max_size` holds.
    [[nodiscard]] std::size_t batch() const noexcept;

private:
    bool open();
    bool rotate();
    bool put(std::string_view& lines);  // what was written is removed from `lines`
    bool try_put(std::string_view& lines);

    Place place_;
    posix::Fd file_;
    bool regular_ = true;  // a FIFO or a device has no size and is not rotated
    std::uint64_t size_ = 0;
    int error_ = 0;  // of the last failure
    std::string pending_;
};

}  // namespace reeve::os
