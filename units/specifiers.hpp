// `%i` and its kin, replaced in every string of a unit file before anything else happens to it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reeve::units {

struct Host;

struct Expanded {
    std::string text;
    char unknown = '\0';  // the first specifier that does not exist; '\0': all do
};

// %n name, %p before the "@", %i after it, %I unescaped, %N the name without a suffix of kind,
// %H host, %t runtime folder, %b boot id, %m machine id, %u user, %h home of the manager, %% "%".
Expanded expand_specifiers(std::string_view text, std::string_view name, const Host& host);

}  // namespace reeve::units
