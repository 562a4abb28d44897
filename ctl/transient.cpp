#include "ctl/transient.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "ctl/failure.hpp"
#include "ctl/text.hpp"
#include "hal/posix/check.hpp"

namespace reeve::ctl {

namespace {

// They tell the caller about itself and would mislead the command.
constexpr std::string_view not_inherited[] = {
    "INVOCATION_ID", "REEVE_UNIT", "REEVE_RUN",  "NOTIFY_SOCKET",  "WATCHDOG_USEC",
    "WATCHDOG_PID",  "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MAINPID"};

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const Glyph glyph = next_glyph(text);
        if (!glyph.valid) return false;
        text.remove_prefix(glyph.bytes);
    }
    return true;
}

// D-Bus carries UTF-8 only; what is not is left out.
Value environment() {
    Value all = Value::object();
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals == 0 || equals == std::string_view::npos || !is_utf8(text)) continue;
        const auto name = text.substr(0, equals);
        if (std::find(std::begin(not_inherited), std::end(not_inherited), name) !=
            std::end(not_inherited)) {
            continue;
        }
        all.set(name, text.substr(equals + 1));
    }
    return all;
}

std::string present_folder() {
    char* folder = ::getcwd(nullptr, 0);
    if (folder == nullptr) posix::check(-1, "find the present folder");
    std::string path{folder};
    ::free(folder);
    return path;
}

std::uint32_t present_umask() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return mask;
}

bool is_program(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

std::string absolute(const std::string& path) {
    return path.starts_with('/') ? path : present_folder() + "/" + path;
}

}  // namespace

std::string made_up_name(std::string_view command) {
    command.remove_prefix(command.rfind('/') + 1);  // npos + 1 is 0
    std::string name = "run-";
    for (const char c : command.substr(0, 32)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '_' || c == '.';
        name += plain ? c : '-';
    }
    return name + "-" + Client::new_id().substr(0, 6);
}

std::string find_program(const std::string& word) {
    if (word.find('/') != std::string::npos) return absolute(word);
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!word.empty() && !rest.empty()) {
        const std::string folder{rest.substr(0, rest.find(':'))};
        rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
        std::string candidate = absolute((folder.empty() ? "." : folder) + "/" + word);
        if (is_program(candidate)) return candidate;
    }
    throw Failure{code::failed, "NotFound", "no program \"" + word + "\" in PATH"};
}

Argument transient_definition(const Arguments& arguments) {
    std::vector<std::string> command = arguments.words;
    command.front() = find_program(command.front());
    Argument definition = Argument::dictionary();
    definition.set("command", "as", Value::strings(command));
    definition.set("description", "s",
                   arguments.value(Opt::description).value_or(join(arguments.words, " ")));
    definition.set("environment", "a{ss}", environment());
    const auto directory = arguments.value(Opt::directory);
    definition.set("working-directory", "s", directory ? absolute(*directory) : present_folder());
    definition.set("umask", "u", present_umask());
    const auto devices = arguments.list(Opt::with);
    if (!devices.empty()) definition.set("leases", "as", Value::strings(devices));
    if (const auto limit = arguments.duration(Opt::wait); limit && *limit != forever) {
        definition.set("wait-timeout", "t", static_cast<std::uint64_t>(limit->count()));
    }
    if (const auto user = arguments.value(Opt::as_user)) definition.set("user", "s", *user);
    if (const auto group = arguments.value(Opt::as_group)) definition.set("group", "s", *group);
    return definition;
}

}  // namespace reeve::ctl
