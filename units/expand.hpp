// `$X` in commands, replaced when a process is started.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace reeve::units {

struct Expansion {
    std::vector<std::string> argv;
    std::vector<std::string> unset;  // names that had no value, each once, in order
};

// `${X}` is replaced inside a word; a word `$X` alone is split into words at spaces, where quotes
// keep together and vanish; `$$` is `$`; any other `$` stands for itself. The first word is the
// program and is never split. What is unset is empty: worth a note to whoever reads the log.
Expansion expand(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& environment);

}  // namespace reeve::units
