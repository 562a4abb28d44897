#include "daemon/options.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace reeve {

namespace {

std::string env_or(const char* name, const std::string& fallback) {
    const char* value = std::getenv(name);
    return value && *value ? value : fallback;
}

// Takes options off the command line, as `--key value` or `--key=value`.
class Arguments {
public:
    explicit Arguments(const std::vector<std::string>& words) : words_{words} {}

    bool next() {
        if (at_ >= words_.size()) return false;
        word_ = words_[at_++];
        const auto equals = word_.find('=');
        inline_value_.reset();
        if (word_.starts_with("--") && equals != std::string::npos) {
            inline_value_ = word_.substr(equals + 1);
            word_.resize(equals);
        }
        return true;
    }
    [[nodiscard]] const std::string& word() const { return word_; }
    std::string value() {
        if (inline_value_) return *inline_value_;
        if (at_ >= words_.size()) throw UsageError{word_ + " wants a value; see reeved --help"};
        return words_[at_++];
    }

private:
    const std::vector<std::string>& words_;
    std::size_t at_ = 0;
    std::string word_;
    std::optional<std::string> inline_value_;
};

void fill_system_paths(Options& o) {
    if (o.unit_path.empty())
        for (const char* base : {"/etc", "/run", "/usr/local/lib", "/usr/lib"})
            o.unit_path.push_back(std::string{base} + "/reeve/units");
    if (o.runtime_dir.empty()) o.runtime_dir = "/run/reeve";
    o.log_directory = o.private_runtime ? o.runtime_dir + "/log" : "/var/log/reeve";
    o.state_directory = o.private_runtime ? o.runtime_dir + "/lib" : "/var/lib";
    if (o.bus.empty()) o.bus = "system";
}

void fill_user_paths(Options& o) {
    const std::string home = env_or("HOME", "/");
    const std::string config = env_or("XDG_CONFIG_HOME", home + "/.config");
    const std::string runtime = env_or("XDG_RUNTIME_DIR", "");
    if (o.unit_path.empty()) {
        o.unit_path.push_back(config + "/reeve/user");
        if (!runtime.empty()) o.unit_path.push_back(runtime + "/reeve/user");
        o.unit_path.emplace_back("/etc/reeve/user");
        o.unit_path.emplace_back("/usr/lib/reeve/user");
    }
    if (o.runtime_dir.empty()) {
        if (runtime.empty())
            throw UsageError{"XDG_RUNTIME_DIR is not set; set it, or give --runtime-dir DIR"};
        o.runtime_dir = runtime + "/reeve";
    }
    const std::string state = env_or("XDG_STATE_HOME", home + "/.local/state");
    o.log_directory = o.private_runtime ? o.runtime_dir + "/log" : state + "/reeve/log";
    o.state_directory = o.private_runtime ? o.runtime_dir + "/lib" : state;
    if (o.bus.empty()) o.bus = "session";
}

std::vector<std::string> settings_files(const Options& o) {
    const std::string base =
        o.system ? "/etc/reeve"
                 : env_or("XDG_CONFIG_HOME", env_or("HOME", "/") + "/.config") + "/reeve";
    std::vector<std::string> dropins;
    std::error_code ignored;
    std::filesystem::directory_iterator at{base + "/reeved.toml.d", ignored};
    for (; !ignored && at != end(at); at.increment(ignored))
        if (at->path().extension() == ".toml") dropins.push_back(at->path().string());
    std::ranges::sort(dropins);
    std::vector<std::string> files;
    if (std::filesystem::exists(base + "/reeved.toml", ignored))
        files.push_back(base + "/reeved.toml");
    files.insert(files.end(), dropins.begin(), dropins.end());
    return files;
}

Recover recover_of(const std::string& word) {
    if (word == "rebuild") return Recover::rebuild;
    if (word == "last-good") return Recover::last_good;
    if (word == "rescue") return Recover::rescue;
    throw UsageError{"--recover " + word + ": use rebuild, last-good or rescue"};
}

}  // namespace

Options parse_options(const std::vector<std::string>& arguments, bool is_root) {
    Options o;
    o.system = is_root;
    Arguments in{arguments};
    while (in.next()) {
        const std::string& word = in.word();
        if (word == "--system")
            o.system = true;
        else if (word == "--user")
            o.system = false;
        else if (word == "--unit-path")
            o.unit_path.push_back(in.value());
        else if (word == "--runtime-dir")
            o.runtime_dir = in.value(), o.private_runtime = true;
        else if (word == "--socket")
            o.socket = in.value();
        else if (word == "--bus")
            o.bus = in.value();
        else if (word == "--target")
            o.target = in.value();
        else if (word == "--log-level")
            o.log_level = in.value();
        else if (word == "--recover")
            o.recover = recover_of(in.value());
        else
            throw UsageError{"unknown option " + word + "; see reeved --help"};
    }
    if (o.private_runtime && o.bus.empty()) o.bus = "none";
    o.system ? fill_system_paths(o) : fill_user_paths(o);
    if (o.socket.empty()) o.socket = o.runtime_dir + "/bus";
    constexpr std::size_t longest = sizeof(sockaddr_un{}.sun_path) - 1;
    if (o.socket.size() > longest)
        throw UsageError{"the path of the socket, " + o.socket + ", has " +
                         std::to_string(o.socket.size()) + " bytes, and Linux takes " +
                         std::to_string(longest) +
                         "; give a shorter --runtime-dir, or --socket PATH"};
    // A self-contained instance reads no settings of the machine.
    if (!o.private_runtime) o.settings_files = settings_files(o);
    return o;
}

std::string usage() {
    return "Usage: reeved [OPTION]...\n"
           "Starts and supervises the units of the unit path.\n\n"
           "  --system, --user      of the machine, or of one user (default: by who runs it)\n"
           "  --unit-path DIR       read units from DIR; may be given several times\n"
           "  --runtime-dir DIR     keep sockets below DIR: a second instance beside the first\n"
           "  --socket PATH         the private D-Bus socket (default: RUNTIME/bus)\n"
           "  --bus BUS             system, session, none, or an address\n"
           "  --target NAME         start NAME (default: default.target)\n"
           "  --log-level LEVEL     debug, info, warn or error\n"
           "  --recover HOW         of reeve-init, after deaths: rebuild, last-good or rescue\n"
           "  --help, --version\n";
}

}  // namespace reeve
