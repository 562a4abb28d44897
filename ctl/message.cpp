#include "ctl/message.hpp"

#include <fcntl.h>

#include <cstring>
#include <string>
#include <string_view>

#include "ctl/failure.hpp"
#include "ctl/text.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/escaped.hpp"

namespace reeve::ctl {

namespace {

using posix::check_sd;

void append(sd_bus_message* message, const char* signature, const Value& value);

// D-Bus carries UTF-8 alone, and so does every name of a unit.
std::string utf8(std::string_view text) {
    for (std::string_view rest = text; !rest.empty();) {
        const Glyph glyph = next_glyph(rest);
        if (!glyph.valid) throw usage_error("\"" + posix::escaped(text) + "\" is not UTF-8 text");
        rest.remove_prefix(glyph.bytes);
    }
    return std::string{text};
}

void append_basic(sd_bus_message* message, char type, const Value& value) {
    const char* const what = "write a D-Bus argument";
    switch (type) {
        case 's':
        case 'o': {
            const std::string text = utf8(value.text());
            check_sd(sd_bus_message_append_basic(message, type, text.c_str()), what);
            break;
        }
        case 'b': {
            const int flag = value.boolean() ? 1 : 0;
            check_sd(sd_bus_message_append_basic(message, type, &flag), what);
            break;
        }
        case 'i': {
            const auto number = static_cast<std::int32_t>(value.integer());
            check_sd(sd_bus_message_append_basic(message, type, &number), what);
            break;
        }
        case 'u': {
            const auto number = static_cast<std::uint32_t>(value.natural());
            check_sd(sd_bus_message_append_basic(message, type, &number), what);
            break;
        }
        default: {
            const std::uint64_t number = value.natural();
            check_sd(sd_bus_message_append_basic(message, type, &number), what);
            break;
        }
    }
}

void append(sd_bus_message* message, const char* signature, const Value& value) {
    const char* const what = "write a D-Bus argument";
    if (*signature != 'a') return append_basic(message, *signature, value);
    check_sd(sd_bus_message_open_container(message, 'a', signature + 1), what);
    for (const Value& item : value.items()) append(message, signature + 1, item);
    for (const Field& field : value.fields()) {  // a{ss}
        check_sd(sd_bus_message_append(message, "{ss}", utf8(field.key).c_str(),
                                       utf8(field.value.text()).c_str()),
                 what);
    }
    check_sd(sd_bus_message_close_container(message), what);
}

}  // namespace

void append(sd_bus_message* message, const Argument& argument) {
    const char* const what = "write D-Bus options";
    if (std::string_view{argument.signature} != "a{sv}") {
        return append(message, argument.signature, argument.value);
    }
    check_sd(sd_bus_message_open_container(message, 'a', "{sv}"), what);
    for (const auto& entry : argument.entries) {
        check_sd(sd_bus_message_open_container(message, 'e', "sv"), what);
        check_sd(sd_bus_message_append_basic(message, 's', entry.key), what);
        check_sd(sd_bus_message_open_container(message, 'v', entry.signature), what);
        append(message, entry.signature, entry.value);
        check_sd(sd_bus_message_close_container(message), what);
        check_sd(sd_bus_message_close_container(message), what);
    }
    check_sd(sd_bus_message_close_container(message), what);
}

namespace {

template <class T>
T basic(sd_bus_message* message, char type) {
    T value{};
    check_sd(sd_bus_message_read_basic(message, type, &value), "read a D-Bus answer");
    return value;
}

// Reads the message front to back; a descriptor goes into `fd`.
class Decoder {
public:
    Decoder(sd_bus_message* message, posix::Fd& fd) : message_{message}, fd_{fd} {}

    std::vector<Value> all() {
        std::vector<Value> values;
        while (more()) values.push_back(next());
        return values;
    }

private:
    bool more() { return sd_bus_message_at_end(message_, 0) == 0; }

    Value next() {
        char type = 0;
        const char* contents = nullptr;
        check_sd(sd_bus_message_peek_type(message_, &type, &contents), "read a D-Bus answer");
        switch (type) {
            case 's':
            case 'o':
            case 'g': return std::string_view{basic<const char*>(message_, type)};
            case 'b': return basic<int>(message_, type) != 0;
            case 'y': return std::uint32_t{basic<std::uint8_t>(message_, type)};
            case 'n': return int{basic<std::int16_t>(message_, type)};
            case 'q': return std::uint32_t{basic<std::uint16_t>(message_, type)};
            case 'i': return std::int64_t{basic<std::int32_t>(message_, type)};
            case 'u': return basic<std::uint32_t>(message_, type);
            case 'x': return basic<std::int64_t>(message_, type);
            case 't': return basic<std::uint64_t>(message_, type);
            case 'd': return basic<double>(message_, type);
            case 'h':
                // The message keeps its own; ours must outlive it.
                fd_ =
                    posix::Fd{posix::check(::fcntl(basic<int>(message_, type), F_DUPFD_CLOEXEC, 3),
                                           "keep the descriptor of an answer")};
                return {};
            case 'a': return contents[0] == '{' ? dictionary(contents) : list(type, contents);
            case 'v': return variant(contents);
            default: return list(type, contents);  // a struct
        }
    }

    void enter(char type, const char* contents) {
        check_sd(sd_bus_message_enter_container(message_, type, contents), "read a D-Bus answer");
    }
    void leave() { check_sd(sd_bus_message_exit_container(message_), "read a D-Bus answer"); }

    Value list(char type, const char* contents) {
        Value value = Value::list();
        enter(type, contents);
        while (more()) value.add(next());
        leave();
        return value;
    }

    Value variant(const char* contents) {
        enter('v', contents);
        Value value = next();
        leave();
        return value;
    }

    Value dictionary(const char* contents) {
        Value value = Value::object();
        enter('a', contents);
        const std::string entry{contents + 1, std::strlen(contents) - 2};
        while (more()) {
            enter('e', entry.c_str());
            const Value key = next();
            value.set(key.text(), next());
            leave();
        }
        leave();
        return value;
    }

    sd_bus_message* message_;
    posix::Fd& fd_;
};

}  // namespace

std::vector<Value> read_arguments(sd_bus_message* message, posix::Fd& fd) {
    return Decoder{message, fd}.all();
}

}  // namespace reeve::ctl
