#include "ctl/log_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "ctl/detail.hpp"
#include "ctl/failure.hpp"
#include "ctl/log_line.hpp"
#include "hal/posix/fd.hpp"

namespace reeve::ctl {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> units_in(const std::string& folder) {
    std::vector<std::string> units;
    std::error_code error;
    for (fs::directory_iterator at{folder, error}; !error && at != end(at); at.increment(error)) {
        if (::access((at->path().string() + "/current").c_str(), F_OK) == 0) {
            units.push_back(at->path().filename().string());
        }
    }
    std::sort(units.begin(), units.end());
    return units;
}

Failure cannot_read(const std::string& path, int error) {
    if (error == EACCES) {
        return {code::refused, "AccessDenied",
                "cannot read " + path + "; try as root or as a member of the group adm"};
    }
    return {code::failed, "NotFound", "cannot read " + path + ": " + std::strerror(error)};
}

// The oldest first: current.3, current.2, current.1, current.
std::string text_of(const std::string& folder) {
    const std::string current = folder + "/current";
    std::vector<std::string> paths{current};
    while (::access((current + "." + std::to_string(paths.size())).c_str(), F_OK) == 0) {
        paths.push_back(current + "." + std::to_string(paths.size()));
    }
    std::reverse(paths.begin(), paths.end());
    std::string text;
    for (const auto& path : paths) {
        const posix::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        if (!fd) throw cannot_read(path, errno);
        text += read_all(fd.get(), "read a log file");
        if (!text.empty() && text.back() != '\n') text += '\n';
    }
    return text;
}

}  // namespace

bool has_log_files(const std::string& folder) {
    return !units_in(folder).empty();
}

std::string read_log_files(const std::string& folder, const std::vector<std::string>& units,
                           const LogFilter& filter) {
    std::vector<std::string> texts;
    for (const auto& unit : units.empty() ? units_in(folder) : units) {
        if (unit.find('/') != std::string::npos) throw usage_error("not a unit's name: " + unit);
        texts.push_back(text_of(folder + "/" + unit));
    }
    std::vector<std::string_view> lines;
    for (const std::string_view text : texts) {
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = text.find('\n', begin);
            const std::string_view line = text.substr(begin, end - begin);
            if (filter.run == 0 || parse_log_line(line).run == filter.run) lines.push_back(line);
            begin = end + 1;
        }
    }
    if (texts.size() > 1) {
        std::stable_sort(lines.begin(), lines.end(), [](std::string_view a, std::string_view b) {
            return parse_log_line(a).time < parse_log_line(b).time;
        });
    }
    const std::size_t skip =
        filter.lines != 0 && lines.size() > filter.lines ? lines.size() - filter.lines : 0;
    std::string out;
    for (std::size_t i = skip; i < lines.size(); ++i) out.append(lines[i]).append("\n");
    return out;
}

}  // namespace reeve::ctl
