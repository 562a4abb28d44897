// What is wrong with a unit file, told so that a person can mend it.
#pragma once

#include <string>
#include <vector>

namespace reeve::units {

enum class Severity { warning, error };

// Printed as `file:line:col: key: text`, for instance
//   /etc/reeve/units/web.toml:7:1: service.restrat: unknown key; did you mean `restart`?
//   /etc/reeve/units/web.toml:9:16: service.stop-timeout: found "5 parsecs", expected a duration
//   such as "5s"
struct Problem {
    Severity severity = Severity::error;
    std::string file;
    unsigned line = 0;  // 1-based; 0: the file as a whole
    unsigned column = 0;
    std::string key;   // dotted: "service.stop-timeout"; empty: none
    std::string text;  // what was found, what is expected, did you mean
};
// Always one line of UTF-8, whatever the file is called.
std::string to_string(const Problem& problem);

bool has_errors(const std::vector<Problem>& problems) noexcept;

}  // namespace reeve::units
