#include "daemon/bus/socket_watch.hpp"

#include <sys/epoll.h>
#include <sys/inotify.h>

#include <charconv>

#include "hal/posix/callback.hpp"
#include "hal/posix/check.hpp"

namespace reeve::bus {

using posix::check;
using posix::check_sd;

std::string SocketWatch::path_in(const std::string& address) {
    const std::string key = "unix:path=";
    if (!address.starts_with(key)) return {};
    const std::string escaped =
        address.substr(key.size(), address.find_first_of(",;") - key.size());
    std::string path;
    for (std::size_t i = 0; i < escaped.size(); ++i) {
        unsigned code = 0;
        if (escaped[i] == '%' && i + 2 < escaped.size() &&
            std::from_chars(&escaped[i + 1], &escaped[i + 3], code, 16).ec == std::errc{}) {
            path += static_cast<char>(code);
            i += 2;
        } else {
            path += escaped[i];
        }
    }
    return path;
}

SocketWatch::SocketWatch(sd_event* loop, std::string path, std::function<void()> changed)
    : path_{std::move(path)}, changed_{std::move(changed)} {
    if (path_.empty()) return;
    inotify_ = posix::Fd{check(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "inotify")};
    sd_event_source* made = nullptr;
    check_sd(sd_event_add_io(loop, &made, inotify_.get(), EPOLLIN, on_event, this),
             "watch for the bus");
    source_.reset(made);
}

void SocketWatch::arm() {
    if (path_.empty()) return;
    disarm();
    std::string folder = path_;
    while (watched_ < 0 && folder.size() > 1) {
        const auto slash = folder.rfind('/');
        if (slash == std::string::npos) return;
        awaited_ = folder.substr(slash + 1);
        folder.resize(slash == 0 ? 1 : slash);
        // Attributes: dbus-daemon sets the mode after it listens.
        watched_ = ::inotify_add_watch(inotify_.get(), folder.c_str(),
                                       IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR);
    }
}

void SocketWatch::disarm() noexcept {
    if (watched_ >= 0) ::inotify_rm_watch(inotify_.get(), watched_);
    watched_ = -1;
}

int SocketWatch::on_event(sd_event_source*, int, std::uint32_t, void* self) noexcept {
    return posix::guarded("watch for the bus",
                          [&] { static_cast<SocketWatch*>(self)->read_all(); });
}

void SocketWatch::read_all() {
    alignas(inotify_event) char buffer[4096];
    bool ours = false;
    while (true) {
        const ssize_t got = ::read(inotify_.get(), buffer, sizeof(buffer));
        if (got <= 0) break;
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(&buffer[at]);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            if (event->wd != watched_) continue;  // of an earlier watch
            // The folder itself has gone, or what we wait for is there, or events were lost.
            if (event->len == 0 || event->name == awaited_) ours = true;
        }
    }
    if (ours && watched_ >= 0) changed_();
}

}  // namespace reeve::bus
