// Starts a manager: which binary, with which words, limits and descriptors.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/init/options.hpp"
#include "daemon/init/protocol.hpp"
#include "daemon/init/text.hpp"

namespace reeve::init {

// Limits as we got them, for the manager; ours are raised.
struct Limits {
    rlimit files{}, core{};

    // Not setrlimit, which in musl brings all that tells other threads: a page.
    static bool set(auto what, const rlimit& to) { return ::prlimit(0, what, &to, nullptr) == 0; }

    void raise() {
        insist("read limits", [&] { return ::getrlimit(RLIMIT_NOFILE, &files); });
        insist("read limits", [&] { return ::getrlimit(RLIMIT_CORE, &core); });
        constexpr rlim_t wanted = 1 << 17U;
        const rlimit more{wanted, wanted}, hard{files.rlim_max, files.rlim_max};
        // Refused: then it stays as it is.
        if (files.rlim_max >= wanted || !set(RLIMIT_NOFILE, more)) set(RLIMIT_NOFILE, hard);
    }
    // In the manager. A limit of one byte: with none at all, a pipe in core_pattern is still fed.
    void hand_on(bool core_wanted) const {
        const rlimit low{core.rlim_max < 1 ? core.rlim_max : 1, core.rlim_max};
        if (!set(RLIMIT_NOFILE, files) && !set(RLIMIT_NOFILE, files))
            say_cannot("restore the limit of open files");
        if (!core_wanted && !set(RLIMIT_CORE, low)) set(RLIMIT_CORE, low);
    }
};

constexpr const char* level_words[] = {nullptr, "--recover=rebuild", "--recover=last-good",
                                       "--recover=rescue"};
constexpr int last_level = 3;

class Launcher {
public:
    Limits limits;

    // `words`: two that are free, then the manager's, null at the end.
    Launcher(char** words, char** environment, bool core)
        : words_{words}, environment_{environment}, core_{core} {
        choose();
    }

    // The binary for the next start; none: the same. If it never takes over, the one before comes
    // back.
    void upgrade(const char* path, size_t length) {
        if (length == 0 || length >= sizeof path_) return;
        ::memcpy(before_, path_, sizeof path_);
        ::memcpy(path_, path, length);
        path_[length] = '\0';
        upgraded_ = true;
    }
    void took_over() { upgraded_ = false; }
    void died_untried() {
        if (!upgraded_) return;
        upgraded_ = false;
        say("going back from ", path_, " to ", before_);
        ::memcpy(path_, before_, sizeof path_);
    }

    // In the child.
    [[noreturn]] void become(int level, const int (&inherited)[4]) {
        ::setsid();  // what a terminal sends goes to the keeper, which hands it over once
        for (int i = 0; i < 4; ++i)
            if (::dup2(inherited[i], socket_fd + i) == -1) fail("hand descriptors to");
        limits.hand_on(core_);
        sigset_t none;
        ::sigemptyset(&none);
        insist("unblock signals", [&] { return ::sigprocmask(SIG_SETMASK, &none, nullptr); });
        words_[0] = path_;
        words_[1] = level == 0 ? path_ : const_cast<char*>(level_words[level]);
        const auto run = [&] { return ::execve(path_, words_ + (level == 0), environment_); };
        // What it was upgraded to may have been removed since.
        if (run() == -1 && before_[0] != '\0') say_cannot("run ", path_), choose(), run();
        fail("run");
    }

private:
    // $REEVE_MANAGER, else beside us, else where both are installed.
    void choose() {
        for (char** word = environment_; *word != nullptr; ++word)
            if (::strncmp(*word, "REEVE_MANAGER=", 14) == 0 && (*word)[14] != '\0')
                return (void)::strncpy(path_, *word + 14, sizeof path_ - 1);
        constexpr const char* places[] = {"/reeved", "/../../sbin/reeved"};
        for (const char* place : places) {
            const ssize_t length = ::readlink("/proc/self/exe", path_, sizeof path_ - 32);
            path_[length > 0 ? length : 0] = '\0';
            char* end = ::strrchr(path_, '/');
            if (end != nullptr && (::strncpy(end, place, 32), ::access(path_, X_OK) == 0)) return;
        }
        ::strncpy(path_, "/usr/sbin/reeved", sizeof path_ - 1);
    }
    [[noreturn]] void fail(const char* what) {
        say_cannot(what, " ", path_);
        ::_exit(127);
    }

    char** words_;
    char** environment_;
    char path_[most_path] = "", before_[most_path] = "";
    bool core_, upgraded_ = false;
};

}  // namespace reeve::init
