// An error of the interface: its D-Bus name, and a sentence that says what to do.
#pragma once

#include <systemd/sd-bus.h>

#include <stdexcept>
#include <string>

#include "daemon/api/names.hpp"

namespace reeve::bus {

// Thrown by what serves a call; the caller gets it as the reply. `name` is one of api::error.
class Refusal : public std::runtime_error {
public:
    Refusal(const char* name, const std::string& text) : std::runtime_error{text}, name_{name} {}
    [[nodiscard]] const char* name() const noexcept { return name_; }

private:
    const char* name_;
};

// Answers the call with an error; in connection.cpp.
// After sending `message`, what came of it. One that could not be sent (no memory) is lost, and
// somebody waits for it: the connection ends, so that the other side asks again.
void check_sent(sd_bus_message* message, int result) noexcept;

void refuse(sd_bus_message* call, const char* name, const char* text) noexcept;

}  // namespace reeve::bus
