// UTF-8, as strictly as RFC 3629 has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reeve::units {

struct Utf8Character {
    std::size_t length = 0;  // bytes; 0: the text does not begin with a well-formed character
    std::uint32_t code = 0;
};
Utf8Character first_character(std::string_view text) noexcept;

}  // namespace reeve::units
