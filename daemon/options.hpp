// The command line of reeved, and the paths that follow from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace reeve {

// How to come up after a death; the keeper raises it from one to the next.
enum class Recover {
    go_on,      // by the journal
    rebuild,    // the journal is not trusted: by slots and cgroups
    last_good,  // by the journal, then back to the set applied before; else rebuild
    rescue      // as rebuild, and nothing but rescue.target is started
};

struct Options {
    bool system = true;  // --user: of one user, below $XDG_*
    std::vector<std::string> unit_path;
    std::string runtime_dir;
    bool private_runtime = false;  // --runtime-dir was given: a self-contained second instance
    std::string socket;
    std::string bus;     // system, session, none or an address
    std::string target;  // empty: of the settings, else default.target
    std::string log_level;
    Recover recover = Recover::go_on;
    std::string log_directory;                // of the file sink
    std::string state_directory;              // base of `state-directory`
    std::vector<std::string> settings_files;  // reeved.toml, then reeved.toml.d in order
};

struct UsageError {
    std::string text;
};

// Reads the arguments and the environment (HOME, XDG_*). Throws UsageError.
Options parse_options(const std::vector<std::string>& arguments, bool is_root);

// What --help prints.
std::string usage();

}  // namespace reeve
