#include "daemon/bus/connection.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/bus/refusal.hpp"
#include "hal/posix/log.hpp"

namespace reeve::bus {

namespace {

// sd-bus itself would keep 393,216 messages. What the socket holds comes on top.
constexpr std::uint64_t messages_limit = 1'024;     // and 4 for each unit
constexpr std::size_t descriptions_limit = 16'384;  // about 16 MiB

}  // namespace

void check_sent(sd_bus_message* message, int result) noexcept {
    const bool gone = result == -ENOTCONN || result == -ECONNRESET || result == -EPIPE;
    if (result >= 0 || gone) return;
    log::warn("bus: cannot send to a client: {}; hangs up, so that it asks again",
              std::strerror(-result));
    if (sd_bus* const bus = sd_bus_message_get_bus(message); bus != nullptr)
        ::shutdown(sd_bus_get_fd(bus), SHUT_RDWR);
}

void refuse(sd_bus_message* message, const char* name, const char* text) noexcept {
    sd_bus_error error{};
    sd_bus_error_set(&error, name, text);
    check_sent(message, sd_bus_reply_method_error(message, &error));
    sd_bus_error_free(&error);
}

void Connection::send(sd_bus_message* message, std::size_t descriptions) noexcept {
    if (!bus_) return;
    check_sent(message, sd_bus_send(bus_.get(), message, nullptr));
    descriptions_waiting_ += descriptions;
}

void Connection::check_backlog() noexcept {
    std::uint64_t waiting = 0;
    if (!bus_ || sd_bus_get_n_queued_write(bus_.get(), &waiting) < 0) return;
    if (waiting == 0) descriptions_waiting_ = 0;
    if (waiting <= messages_limit && descriptions_waiting_ <= descriptions_limit) return;
    const std::size_t units = context_.backend.engine().all().size();
    if (waiting > messages_limit + 4 * units ||
        descriptions_waiting_ > descriptions_limit + units) {
        log::warn("bus: a client does not read what it asked for: {} messages wait; it is dropped",
                  waiting);
        drop("it does not read");
    }
}

void Connection::read_first(const std::string& instance, sd_bus_message* message, Handler handler,
                            const Credentials& caller) {
    const std::shared_ptr<sd_bus_message> kept{sd_bus_message_ref(message), sd_bus_message_unref};
    context_.backend.refer_to(instance, [this, still = std::weak_ptr{alive_}, kept, handler,
                                         caller](const std::string& meant) {
        if (still.expired()) return;
        sd_bus_message_rewind(kept.get(), 1);
        run(kept.get(), handler, caller, meant);
    });
}

void Connection::run(sd_bus_message* message, Handler handler, const Credentials& caller,
                     const std::string& meant) noexcept {
    try {
        Call call{context_, *this, message, caller, meant};
        try {
            handler(call);
        } catch (const ReadFirst& first) {
            read_first(first.instance, message, handler, caller);
        }
    } catch (const Refusal& e) {
        refuse(message, e.name(), e.what());
    } catch (const std::system_error& e) {
        sd_bus_error error{};
        sd_bus_error_set_errnof(&error, e.code().value(), "%s", e.what());
        check_sent(message, sd_bus_reply_method_error(message, &error));
        sd_bus_error_free(&error);
    } catch (const std::exception& e) {
        log::error("bus: {}: {}", sd_bus_message_get_member(message), e.what());
        refuse(message, SD_BUS_ERROR_FAILED, e.what());
    }
    check_backlog();
}

}  // namespace reeve::bus
