// Names of units: what they may hold, their parts, and which of them are alike.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::units {

// Letters, digits and `: _ . - \`, at most one `@`, not at the front; at most 200 bytes.
bool is_unit_name(std::string_view name) noexcept;
bool is_template(std::string_view name) noexcept;                  // "getty@"
bool is_instance(std::string_view name) noexcept;                  // "getty@tty1"
std::string_view template_of(std::string_view instance) noexcept;  // "getty@tty1" → "getty@"
std::string_view instance_of(std::string_view name) noexcept;      // "getty@tty1" → "tty1"
std::string_view prefix_of(std::string_view name) noexcept;        // "getty@tty1" → "getty"

// Names of events: as units, and `/` within.
bool is_event_name(std::string_view name) noexcept;

// Targets that exist on every board have further names, "network.target", which they lose to any
// file or alias that claims them. Empty: not such a target.
std::span<const std::string_view> stock_aliases(std::string_view name) noexcept;

// How many characters must be added, dropped, replaced or swapped with their neighbour to make one
// of the other; looks at the first 64 characters.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The known word that is so near that it was probably meant; empty: none.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

// systemd's unescaping of instance names: "-" is "/", "\xNN" a byte.
std::string unescape(std::string_view escaped);

}  // namespace reeve::units
