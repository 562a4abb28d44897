// The reference of all keys as Markdown, made of the table they are read by.
#pragma once

#include <string>

namespace reeve::units {

// Between these lines of units/README.md lies reference().
inline constexpr const char* reference_begin =
    "<!-- reference: made by tests/units/reference_test -->\n";
inline constexpr const char* reference_end = "<!-- end of reference -->\n";

std::string reference();

}  // namespace reeve::units
