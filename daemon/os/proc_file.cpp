#include "daemon/os/proc_file.hpp"

#include <charconv>

namespace reeve::os {

void append_numbers(std::string_view text, std::vector<pid_t>& numbers) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
        pid_t number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (error == std::errc{}) numbers.push_back(number);
        at = error == std::errc{} ? next : at + 1;
    }
}

}  // namespace reeve::os
