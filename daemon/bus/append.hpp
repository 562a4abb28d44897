// Values into D-Bus messages; a failure (no memory, wrong signature) throws std::system_error.
#pragma once

#include <systemd/sd-bus.h>

#include <string>
#include <string_view>
#include <vector>

#include "hal/posix/check.hpp"
#include "hal/posix/sd_ptr.hpp"

namespace reeve::bus {

// As sd_bus_message_append().
template <class... Args>
void append(sd_bus_message* message, const char* types, Args... args) {
    posix::check_sd(sd_bus_message_append(message, types, args...), "append to message");
}

inline void append_text(sd_bus_message* message, std::string_view text) {
    const std::string copy{text};  // with an end
    posix::check_sd(sd_bus_message_append_basic(message, 's', copy.c_str()), "append text");
}

// A container that is closed by leaving the block, unless by an exception: then the message is
// thrown away.
template <class Body>
void append_container(sd_bus_message* message, char type, const char* contents, Body body) {
    posix::check_sd(sd_bus_message_open_container(message, type, contents), "open container");
    body();
    posix::check_sd(sd_bus_message_close_container(message), "close container");
}

template <class List>  // of what converts to std::string_view
void append_list(sd_bus_message* message, const List& list) {
    append_container(message, 'a', "s", [&] {
        for (const auto& item : list) append_text(message, item);
    });
}

// One {sv} of a dictionary; `body` appends the value.
template <class Body>
void append_entry(sd_bus_message* message, const char* key, const char* type, Body body) {
    append_container(message, 'e', "sv", [&] {
        append(message, "s", key);
        append_container(message, 'v', type, body);
    });
}

inline posix::MessagePtr new_reply(sd_bus_message* call) {
    sd_bus_message* made = nullptr;
    posix::check_sd(sd_bus_message_new_method_return(call, &made), "new reply");
    return posix::MessagePtr{made};
}

inline posix::MessagePtr new_signal(sd_bus* bus, const char* path, const char* interface,
                                    const char* member) {
    sd_bus_message* made = nullptr;
    posix::check_sd(sd_bus_message_new_signal(bus, &made, path, interface, member), "new signal");
    return posix::MessagePtr{made};
}

// PREFIX/NAME with NAME escaped.
inline std::string object_path(const char* prefix, std::string_view name) {
    char* path = nullptr;
    posix::check_sd(sd_bus_path_encode(prefix, std::string{name}.c_str(), &path), "encode path");
    std::string copy{path};
    std::free(path);
    return copy;
}

}  // namespace reeve::bus
