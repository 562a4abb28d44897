// Where one who follows logs has come to, so that he can go on with another manager.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ctl/value.hpp"
#include "daemon/api/log_place.hpp"

namespace reeve::ctl {

class LogFollow {
public:
    // limited: what was printed before came in part, by `--lines`.
    explicit LogFollow(bool limited) : limited_{limited} {}

    // A line was shown, without its newline.
    void shown(std::string_view line);

    // For the options of Logs: "after", a{ss}, and "since".
    [[nodiscard]] Value after() const;
    [[nodiscard]] const std::string& since() const noexcept { return since_; }

private:
    struct Place {
        std::string time;
        api::LogPlace last;
        bool may_be_cut = false;  // lines with the same time may have come before the first
    };
    bool limited_;
    std::string since_;
    std::map<std::string, Place, std::less<>> places_;
};

}  // namespace reeve::ctl
