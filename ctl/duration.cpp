#include "ctl/duration.hpp"

namespace reeve::ctl {

namespace {

std::string two_parts(std::int64_t big, const char* big_name, std::int64_t small,
                      const char* small_name) {
    std::string out = std::to_string(big);
    out.append(" ").append(big_name);
    if (small != 0) out.append(" ").append(std::to_string(small)).append(" ").append(small_name);
    return out;
}

}  // namespace

std::string to_text(Duration duration) {
    const std::int64_t us = duration.count() < 0 ? 0 : duration.count();
    if (duration == forever) return "infinity";
    if (us < 1'000) return std::to_string(us) + " us";
    if (us < 1'000'000) return std::to_string(us / 1'000) + " ms";
    if (us < 10'000'000) {
        const std::int64_t tenths = us / 100'000;
        return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
    }
    return to_seconds_text(duration);
}

std::string to_seconds_text(Duration duration) {
    const std::int64_t s = duration.count() < 0 ? 0 : duration.count() / 1'000'000;
    if (s < 60) return std::to_string(s) + " s";
    if (s < 3'600) return two_parts(s / 60, "min", s % 60, "s");
    if (s < 86'400) return two_parts(s / 3'600, "h", s % 3'600 / 60, "min");
    return two_parts(s / 86'400, "d", s % 86'400 / 3'600, "h");
}

}  // namespace reeve::ctl
