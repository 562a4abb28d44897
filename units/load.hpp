// Reads folders of unit files: search path, drop-ins, templates, masks (semantics §1).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "units/document.hpp"
#include "units/unit_set.hpp"

namespace reeve::units {

// Values of the specifiers that depend on the machine and the manager (%H %t %b %m %u %h …).
struct Host {
    std::string host_name;              // %H
    std::string runtime_directory;      // %t: "/run" or $XDG_RUNTIME_DIR
    std::string boot_id;                // %b, 32 hex
    std::string machine_id;             // %m, 32 hex
    std::string user_name;              // %u: whom the manager runs as, whatever `user` says
    std::string home;                   // %h: of the same
    std::vector<std::string> problems;  // what could not be found out, and is empty here
    std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
};
Host this_host();  // reads /etc/hostname, /proc/sys/kernel/random/boot_id, … no NSS

struct LoadOptions {
    std::vector<std::filesystem::path> folders;  // first wins
    Host host;
    Duration start_timeout = std::chrono::seconds{90};
    Duration stop_timeout = std::chrono::seconds{10};
    // Called before each step: "reading" with the file, "checking" with nothing.
    std::function<void(const char* step, const std::string& file)> at;
    // Units read before with the same options: whose files have not changed since is taken from
    // here.
    std::vector<UnitPtr> before;
    std::int64_t now = 0;  // by the wall clock, ns; 0: not known, so all is read again next time
    Node defaults;  // further ones, as tables [service] and [log]; checked before (check_defaults)
};

// Reads every unit of the folders and the instances they refer to. Throws std::bad_alloc only;
// what cannot be read is a problem of that file.
UnitSet load(const LoadOptions& options);

// The instance `NAME@i` of a template in the folders, as `start NAME@i` asks for it (`NAME@` means
// the template's default instance). Adds it to the set, with the further instances that it refers
// to. nullptr: there is none, or it is bad; then `set.problems` has grown when there was a file.
UnitPtr load_instance(UnitSet& set, const LoadOptions& options, std::string_view name);

// One file as text, not checked against others; `name` without ".toml".
struct ParseResult {
    UnitPtr unit;  // set when there is no error in `problems`
    std::vector<Problem> problems;
};
ParseResult parse_unit(std::string_view name, std::string_view file, std::string_view text,
                       const LoadOptions& options);

}  // namespace reeve::units
