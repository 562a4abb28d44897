#include "ctl/place.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "ctl/failure.hpp"

namespace reeve::ctl {

namespace {

constexpr const char* system_runtime = "/run/reeve";

std::string environment(const char* name, std::string fallback) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? std::string{value} : std::move(fallback);
}

std::string home() {
    return environment("HOME", "/");
}

std::string user_runtime() {
    return environment("XDG_RUNTIME_DIR", "/run/user/" + std::to_string(::geteuid())) + "/reeve";
}

// The manager of the system is meant by root, and by all where there is one.
bool means_system(const Arguments& arguments) {
    if (arguments.has(Opt::user)) return false;
    if (arguments.has(Opt::system) || arguments.has(Opt::root)) return true;
    if (::geteuid() == 0) return true;
    if (arguments.has(Opt::socket) || std::getenv("REEVE_SOCKET") != nullptr) return false;
    return ::access((std::string{system_runtime} + "/bus").c_str(), F_OK) == 0;
}

std::vector<std::string> standard_folders(bool system, const std::string& root) {
    if (system) {
        return {root + "/etc/reeve/units", root + "/run/reeve/units",
                root + "/usr/local/lib/reeve/units", root + "/usr/lib/reeve/units"};
    }
    const std::string config = environment("XDG_CONFIG_HOME", home() + "/.config");
    return {root + config + "/reeve/user", root + user_runtime() + "/user",
            root + "/etc/reeve/user", root + "/usr/lib/reeve/user"};
}

void check_exclusive(const Arguments& arguments) {
    const Opt ways[] = {Opt::socket, Opt::bus, Opt::host, Opt::root};
    const Opt* first = nullptr;
    for (const Opt& way : ways) {
        // -H with --socket: the socket on that machine.
        if (!arguments.has(way) || (way == Opt::host && arguments.has(Opt::socket))) continue;
        if (first != nullptr) {
            throw usage_error(std::string{spec_of(*first).name} + " and " +
                              std::string{spec_of(way).name} + " exclude each other; give one");
        }
        first = &way;
    }
    if (arguments.has(Opt::system) && arguments.has(Opt::user)) {
        throw usage_error("--system and --user exclude each other; give one");
    }
}

}  // namespace

Place Place::find(const Arguments& arguments) {
    check_exclusive(arguments);
    Place place;
    place.system = means_system(arguments);
    place.host = arguments.value(Opt::host).value_or("");
    if (place.host.starts_with('-')) {
        throw usage_error("-H: found \"" + place.host + "\", expected USER@HOST");
    }
    place.bus = arguments.value(Opt::bus).value_or("");
    place.offline = arguments.has(Opt::root);
    place.root = arguments.value(Opt::root).value_or("");
    struct stat root {};
    if (place.offline && (::stat(place.root.c_str(), &root) != 0 || !S_ISDIR(root.st_mode))) {
        throw usage_error("--root: found \"" + place.root + "\", expected a folder");
    }
    while (place.root.ends_with('/')) place.root.pop_back();

    const std::string runtime = place.system ? system_runtime : user_runtime();
    const char* named = std::getenv("REEVE_SOCKET");
    const bool asked = arguments.has(Opt::system) || arguments.has(Opt::user);
    place.socket = runtime + "/bus";
    if (named != nullptr && *named != '\0' && !asked && place.host.empty()) place.socket = named;
    if (const auto socket = arguments.value(Opt::socket)) {
        place.socket = *socket;
        place.far_options = {"--socket", *socket};
    } else if (asked) {
        place.far_options = {arguments.has(Opt::user) ? "--user" : "--system"};
    }

    for (const auto& given : arguments.given) {
        if (given.opt == Opt::unit_path) place.folders.push_back(given.value);
    }
    if (place.folders.empty()) place.folders = standard_folders(place.system, place.root);
    place.logs =
        place.root + (place.system
                          ? "/var/log/reeve"
                          : environment("XDG_STATE_HOME", home() + "/.local/state") + "/reeve/log");
    return place;
}

bool Place::holds(std::string_view file) const {
    const auto slash = file.rfind('/');
    if (slash == std::string_view::npos) return false;
    for (const auto& folder : folders) {
        if (folder == file.substr(0, slash)) return true;
    }
    return false;
}

}  // namespace reeve::ctl
