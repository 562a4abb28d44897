// Entry of the manager.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/console_log.hpp"
#include "daemon/options.hpp"
#include "daemon/os/custodian.hpp"
#include "daemon/os/loop.hpp"
#include "daemon/runner.hpp"
#include "daemon/settings.hpp"
#include "daemon/successor.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace {

enum Exit { clean = 0, could_not_start = 1, usage_error = 2 };

// One arena for the few threads there are; a file that may not grow is an error, not a signal.
void prepare_process() {
    ::mallopt(M_ARENA_MAX, 1);
    ::signal(SIGXFSZ, SIG_IGN);
    ::signal(SIGPIPE, SIG_IGN);
}

// What an instance made for itself and is empty at its end; the rest is somebody's. A manager that
// comes after another knows from the state that it was made, or from a mark in it: the state is
// gone when the keeper has died too.
class Folders {
public:
    Folders(const reeve::Options& options, const reeve::os::Custodian* custodian)
        : runtime_{options.runtime_dir}, mark_{runtime_ + "/.made"} {
        if (!options.private_runtime) return;
        std::error_code error;
        const bool is_new = !std::filesystem::exists(runtime_, error) && !error;
        if (is_new) make_and_mark();
        own_ = is_new || std::filesystem::exists(mark_, error);
        is_mine_ = is_new && custodian == nullptr;
        if (custodian == nullptr) return;
        auto& made = custodian->header().made_runtime;
        own_ = own_ || made != 0;
        made = own_ ? 1 : 0;
    }
    Folders(const Folders&) = delete;
    Folders& operator=(const Folders&) = delete;
    // Its socket is ours: whoever could not come up leaves all to the manager that there is, or to
    // the next.
    void came_up() { is_mine_ = true; }
    ~Folders() {
        if (!is_mine_) return;
        remove_notify();
        if (!own_) return;
        ::unlink(mark_.c_str());
        for (const char* each : {"/log", "/lib", ""}) ::rmdir((runtime_ + each).c_str());
    }

private:
    // What cannot be made is tried again by whoever needs it.
    void make_and_mark() const {
        std::error_code error;
        std::filesystem::create_directories(runtime_, error);
        if (error) return reeve::log::warn("cannot make {}: {}", runtime_, error.message());
        if (!reeve::posix::Fd{::open(mark_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)})
            reeve::log::warn("cannot mark {} as made by Reeve: {}", runtime_, std::strerror(errno));
    }

    // With sockets of services that ended while there was no manager.
    void remove_notify() {
        const std::string folder = runtime_ + "/notify";
        std::error_code error;
        std::filesystem::directory_iterator at{folder, error};
        for (; !error && at != end(at); at.increment(error))
            if (std::error_code ignored; at->is_socket(ignored)) ::unlink(at->path().c_str());
        ::rmdir(folder.c_str());
    }

    std::string runtime_, mark_;
    bool own_ = false;      // Reeve made it
    bool is_mine_ = false;  // no other manager uses it
};

int manage(reeve::Options options) {
    const auto began = reeve::os::Loop::now();
    prepare_process();
    auto custodian = reeve::os::Custodian::inherited();
    Folders folders{options, custodian.get()};
    std::vector<reeve::units::Problem> problems;
    const reeve::Settings settings = reeve::read_settings(options.settings_files, problems);
    const std::string& level = options.log_level.empty() ? settings.log_level : options.log_level;
    if (!level.empty() && !reeve::log::set_level(level))
        throw reeve::UsageError{"--log-level " + level + ": use debug, info, warn or error"};
    for (const auto& problem : problems) reeve::log::error("{}", to_string(problem));
    if (!settings.unit_path.empty()) options.unit_path = settings.unit_path;

    const bool has_successor = custodian != nullptr;
    int code = could_not_start;
    {
        reeve::ConsoleLog console{STDERR_FILENO};
        reeve::log::set_sink(
            [&console](reeve::log::Level, std::string_view line) { console.write(line); });
        std::unique_ptr<reeve::Runner> runner;
        try {
            runner = std::make_unique<reeve::Runner>(std::move(options), settings,
                                                     std::move(custodian), began);
            folders.came_up();
            code = runner->run();
            runner.reset();
        } catch (const std::exception& e) {
            reeve::log::error("cannot go on: {}", e.what());
            // Its sockets and folders are what the next one goes on with.
            if (has_successor) (void)runner.release();
        }
        reeve::log::set_sink([](reeve::log::Level, std::string_view) {});
    }
    if (code == could_not_start && has_successor) ::_exit(code);  // past what was released
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments{argv + 1, argv + argc};
    if (arguments.size() == 1 && arguments[0] == "--look-up-accounts")
        return reeve::os::Accounts::helper_main();
    if (arguments.size() == 1 && arguments[0] == "--check-state")
        return reeve::answer_as_successor();
    for (const auto& word : arguments) {
        if (word == "--help") return std::fputs(reeve::usage().c_str(), stdout) < 0;
        if (word == "--version") return std::puts("reeved " REEVE_VERSION) < 0;
    }
    try {
        return manage(reeve::parse_options(arguments, ::geteuid() == 0));
    } catch (const reeve::UsageError& e) {
        std::fprintf(stderr, "reeved: %s\n", e.text.c_str());
        return usage_error;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "reeved: %s\n", e.what());
        return could_not_start;
    }
}
