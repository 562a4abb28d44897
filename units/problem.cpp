#include "units/problem.hpp"

#include <algorithm>

#include "hal/posix/escaped.hpp"

namespace reeve::units {

std::string to_string(const Problem& problem) {
    std::string out = posix::escaped(problem.file);
    if (problem.line != 0) {
        out += ':' + std::to_string(problem.line);
        out += ':' + std::to_string(problem.column);
    }
    out += ": ";
    if (problem.severity == Severity::warning) out += "warning: ";
    if (!problem.key.empty()) out += posix::escaped(problem.key) + ": ";
    return out + posix::escaped(problem.text);
}

bool has_errors(const std::vector<Problem>& problems) noexcept {
    return std::ranges::any_of(
        problems, [](const Problem& problem) { return problem.severity == Severity::error; });
}

}  // namespace reeve::units
