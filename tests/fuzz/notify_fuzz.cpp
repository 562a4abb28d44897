// What any process of a unit may send: the notify parser takes every byte string, and what it lets
// through is in bounds and is UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemon/os/notify_socket.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// An independent decoder: every byte belongs to a well-formed sequence (RFC 3629).
bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    const auto byte = [&](std::size_t at) -> std::uint32_t {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    while (i < text.size()) {
        const std::uint32_t first = byte(i);
        std::size_t more = 0;
        std::uint32_t code = first;
        std::uint32_t least = 0;
        if (first >= 0xF0) {
            more = 3;
            code = first & 7;
            least = 0x10000;
        } else if (first >= 0xE0) {
            more = 2;
            code = first & 15;
            least = 0x800;
        } else if (first >= 0xC0) {
            more = 1;
            code = first & 31;
            least = 0x80;
        } else if (first >= 0x80)
            return false;
        if (first >= 0xF8) return false;
        for (std::size_t k = 1; k <= more; ++k) {
            if ((byte(i + k) & 0xC0) != 0x80) return false;
            code = code << 6 | (byte(i + k) & 0x3F);
        }
        if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
        i += 1 + more;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view datagram{reinterpret_cast<const char*>(data), size};
    const auto message = reeve::os::parse_notify(datagram);
    const auto century = std::chrono::hours{24 * 365 * 100};
    if (message.status) {
        require(is_utf8(*message.status));
        require(message.status->find('\n') == std::string::npos);
    }
    if (message.main_pid) require(*message.main_pid > 0);
    if (message.error) require(*message.error >= 0);
    for (const auto& time : {message.extend, message.watchdog_period})
        if (time) require(time->count() >= 0 && *time <= century);
    const auto holds = [&](std::string_view text) { return datagram.find(text) != datagram.npos; };
    require(!message.ready || holds("READY=1"));
    require(!message.barrier || holds("BARRIER=1"));
    require(!message.watchdog_trigger || holds("WATCHDOG=trigger"));
    return 0;
}
