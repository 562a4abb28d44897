#include "ctl/log_follow.hpp"

#include <algorithm>

namespace reeve::ctl {

// "TIME UNIT[RUN] TEXT"; the manager's own lines have no run.
void LogFollow::shown(std::string_view text) {
    const auto space = std::min(text.find(' '), text.size());
    const auto time = text.substr(0, space);
    const auto rest = text.substr(std::min(space + 1, text.size()));
    const auto unit = rest.substr(0, rest.find_first_of("[ "));
    // Of the one who followed, not of the unit: another manager does not say it again.
    if (rest.find("] -- ") != rest.npos && rest.ends_with(" bytes dropped --")) return;
    if (since_.empty() && limited_) since_ = time;
    const auto [found, is_new] = places_.try_emplace(std::string{unit});
    Place& place = found->second;
    if (place.time != time) place = {std::string{time}, {}, is_new && limited_};
    if (!place.may_be_cut) ++place.last.number;
    place.last.sum = api::sum_of_line(text);
}

Value LogFollow::after() const {
    Value all = Value::object();
    for (const auto& [unit, place] : places_) all.set(unit, Value{api::to_text(place.last)});
    return all;
}

}  // namespace reeve::ctl
