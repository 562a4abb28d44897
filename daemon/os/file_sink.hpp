// One log file with rotation by size and count. Blocks, so the writer thread alone uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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

    // Hears of each step before it is taken, so that one who comes after a death can tell how much
    // of a text got into the file.
    class Witness {
    public:
        // Of the text, all but the last `left` bytes are in files. More goes into the file with
        // this identity and size now; identity 0: nowhere yet, or where no size tells.
        virtual void about_to(std::uint64_t file, std::uint64_t size, std::size_t left) = 0;

    protected:
        ~Witness() = default;
    };

    // Appends whole lines. False: it could not, error() says why; what was not written is kept and
    // goes first when retry() works again.
    bool write(std::string_view lines, Witness& witness);
    bool retry(Witness& witness);
    [[nodiscard]] bool has_pending() const noexcept { return !pending_.empty(); }

    [[nodiscard]] int error() const noexcept { return error_; }

    void change(Place place);
    void reopen() noexcept { file_ = {}; }
    [[nodiscard]] std::string path() const { return place_.folder + "/current"; }
    // The file that had this identity, whether or not it was rotated once since then.
    struct Found {
        std::uint64_t size = 0;
        bool ends_line = true;
    };
    [[nodiscard]] std::optional<Found> find(std::uint64_t file) const;

private:
    bool open();
    bool rotate();
    [[nodiscard]] std::size_t first_part(std::string_view lines) const;
    bool put(std::string_view& lines, Witness& witness);  // removes what was written
    bool put_part(std::string_view& lines, Witness& witness);
    bool try_put(std::string_view& lines, Witness& witness);

    Place place_;
    posix::Fd file_;
    int error_ = 0;  // of the last failure
    std::string pending_;
};

}  // namespace reeve::os
