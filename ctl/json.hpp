// JSON, small and without static initialisation: a call of reevectl lasts about a millisecond.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ctl/value.hpp"

namespace reeve::ctl {

// On one line, without a newline. What is not UTF-8 becomes U+FFFD.
std::string to_json(const Value& value);

// nullopt: not JSON. Nesting deeper than 64 is refused.
std::optional<Value> parse_json(std::string_view text);

}  // namespace reeve::ctl
