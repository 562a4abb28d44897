// For tests with a real loop and real files: turns of the loop until something holds, a folder
// that is removed afterwards, the two scales.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "daemon/os/loop.hpp"

namespace reeve::os {

using namespace std::chrono_literals;

inline bool full_scale() {
    return std::getenv("REEVE_LONG") != nullptr;
}

// False: `holds` did not come to hold within the limit.
inline bool run_until(Loop& loop, const std::function<bool()>& holds,
                      std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        sd_event_run(loop.get(), 5'000);
    }
    return true;
}

// All that is ready now, and what follows from it.
inline void settle(Loop& loop) {
    while (sd_event_run(loop.get(), 0) > 0) continue;
}

class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "reeve-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline void write_file(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::trunc} << text;
}

inline std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

}  // namespace reeve::os
