// Events and actions as lines, for transcripts and for comparing two engines.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"

namespace reeve::sim {

using NameOf = std::function<std::string(core::UnitId)>;

std::string to_text(const core::Event& event, const NameOf& name);
std::string to_text(const core::Action& action, const NameOf& name);
std::string to_text(core::TimePoint time);  // "12.034567s"

}  // namespace reeve::sim
