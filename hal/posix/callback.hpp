// The wall between C++ and the C callbacks of libsystemd: nothing thrown gets through.
#pragma once

#include <systemd/sd-bus.h>

#include <exception>
#include <system_error>

#include "hal/posix/log.hpp"

namespace reeve::posix {

// Runs `body` inside an sd-event callback. An exception becomes one log line; the loop goes on.
template <class Body>
int guarded(const char* what, Body&& body) noexcept {
    try {
        body();
    } catch (const std::exception& e) {
        log::error("{}: {}", what, e.what());
    } catch (...) {
        log::error("{}: unknown exception", what);
    }
    return 0;  // a negative number would disable the event source
}

// The same for a D-Bus method: the caller gets the error as a reply.
template <class Body>
int answering(sd_bus_error* reply_error, Body&& body) noexcept {
    try {
        return body();
    } catch (const std::system_error& e) {
        return sd_bus_error_set_errno(reply_error, e.code().value());
    } catch (const std::exception& e) {
        return sd_bus_error_set(reply_error, SD_BUS_ERROR_FAILED, e.what());
    }
}

}  // namespace reeve::posix
