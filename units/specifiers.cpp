#include "units/specifiers.hpp"

#include <array>

#include "units/load.hpp"
#include "units/names.hpp"

namespace reeve::units {

namespace {

std::string_view without_suffix(std::string_view name) {
    constexpr std::array<std::string_view, 8> suffixes{".service", ".target", ".socket", ".timer",
                                                       ".path",    ".mount",  ".slice",  ".device"};
    for (const std::string_view suffix : suffixes)
        if (name.size() > suffix.size() && name.ends_with(suffix))
            return name.substr(0, name.size() - suffix.size());
    return name;
}

std::optional<std::string> value_of(char specifier, std::string_view name, const Host& host) {
    switch (specifier) {
        case '%': return "%";
        case 'n': return std::string{name};
        case 'N': return std::string{without_suffix(name)};
        case 'p': return std::string{prefix_of(name)};
        case 'i': return std::string{instance_of(name)};
        case 'I': return unescape(instance_of(name));
        case 'H': return host.host_name;
        case 't': return host.runtime_directory;
        case 'b': return host.boot_id;
        case 'm': return host.machine_id;
        case 'u': return host.user_name;
        case 'h': return host.home;
        default: return std::nullopt;
    }
}

}  // namespace

Expanded expand_specifiers(std::string_view text, std::string_view name, const Host& host) {
    Expanded out;
    std::size_t at = text.find('%');
    if (at == std::string_view::npos) return {std::string{text}, '\0'};
    std::size_t done = 0;
    for (; at != std::string_view::npos; at = text.find('%', done)) {
        out.text.append(text.substr(done, at - done));
        const char specifier = at + 1 < text.size() ? text[at + 1] : ' ';
        const auto value = value_of(specifier, name, host);
        if (!value && out.unknown == '\0') out.unknown = specifier;
        if (value) out.text.append(*value);
        done = std::min(at + 2, text.size());
    }
    out.text.append(text.substr(done));
    return out;
}

}  // namespace reeve::units
