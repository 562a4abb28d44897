// Events as bytes and back: a successor handles again what the manager was told.
#pragma once

#include "daemon/core/event.hpp"
#include "units/archive.hpp"

namespace reeve::core {

// Of what follows, the definitions apart, which carry a version of their own.
inline constexpr std::uint16_t event_format = 2;

// Definitions stand in them by value.
void describe(archive::Writer& out, const Event& event);
// Throws std::invalid_argument: not an event of this version.
void describe(archive::Reader& in, Event& event);

}  // namespace reeve::core
