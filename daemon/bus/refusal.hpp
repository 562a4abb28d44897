// An error of the interface: its D-Bus name, and a sentence that says what to do.
#pragma once

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

}  // namespace reeve::bus
