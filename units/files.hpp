// Reads folders and small files without ever waiting for one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reeve::units {

struct FileText {
    enum class Kind { text, masked, failed };
    Kind kind = Kind::failed;
    std::string text;  // of failed: why
};
// Masked: empty, or a link to /dev/null. Anything else but a regular file has failed (a FIFO would
// keep us waiting), and so has what is larger than a unit file may be.
FileText read_text(const std::string& path);

// What tells these files, as they are now, from any others and from themselves after a change:
// names, places, sizes and times. 0: cannot be told, as one has changed a moment ago. `now`: by the
// wall clock, in ns.
std::uint64_t stamp_of(const std::vector<const std::string*>& paths, std::int64_t now);

// The names in a folder, sorted; nullopt: it does not exist. `error` says why it cannot be read.
std::optional<std::vector<std::string>> list_folder(const std::string& path, std::string& error);

}  // namespace reeve::units
