// The keeper's own options; all others are the manager's and are handed on as they stand.
#pragma once

#include "daemon/init/text.hpp"

namespace reeve::init {

struct Options {
    int64_t deaths = 5;           // so many of the manager …
    Nanos within = 10 * second;   // … in this time: the next level
    Nanos settled = 10 * second;  // a manager that was ready for so long makes all forgotten
    Nanos stuck = 10 * second;
    int64_t manager_core = 0;
};
constexpr int most_deaths = 32;

struct Word {
    const char* name;
    int64_t means;
};
constexpr Word durations[] = {{"ms", millisecond}, {"s", second}, {"min", 60 * second}, {}};
constexpr Word plain[] = {{"", 1}, {}};

constexpr const char* usage =
    "Usage: reeve-init [OPTION]... [OPTION OF reeved]... [-- COMMAND...]\n"
    "Starts reeved, keeps what must outlive it, and starts it again when it dies.\n\n"
    "  --deaths N, --within T   so many deaths in this time: start it more cautiously\n"
    "                           (default: 5 within 10s)\n"
    "  --settled T              after so long all is well again (default: 10s)\n"
    "  --stuck T                end it when it hangs for longer (default: 10s)\n"
    "  --manager-core           let it leave a core file, however long that takes\n"
    "  --help, --version\n"
    "All others are those of reeved. With COMMAND, that is its main unit.\n";

// A number with its unit. False: it is none, or longer than a day.
inline bool read_value(const char* text, const Word* words, int64_t& to) {
    int64_t number = 0;
    const char* end = text;
    for (; *end >= '0' && *end <= '9' && end - text < 9; ++end) number = number * 10 + (*end - '0');
    for (; number > 0 && words->name != nullptr; ++words)
        if (::strcmp(end, words->name) == 0)
            return to = number * words->means, number <= 86'400 * second / words->means;
    return false;
}

// Takes ours out of `words` (null at its end); exits where that is all there is to do.
inline void take_options(char** words, Options& to) {
    const struct {
        const char* name;
        const Word* values;
        int64_t& value;
    } options[] = {{"--deaths", plain, to.deaths},
                   {"--within", durations, to.within},
                   {"--settled", durations, to.settled},
                   {"--stuck", durations, to.stuck},
                   {"--manager-core", nullptr, to.manager_core}};
    char** kept = words;
    for (; *words != nullptr && ::strcmp(*words, "--") != 0; ++words) {
        const bool version = ::strcmp(*words, "--version") == 0;
        const char* text = version ? "reeve-init " REEVE_VERSION "\n" : usage;
        if (version || ::strcmp(*words, "--help") == 0)
            ::_exit(::write(STDOUT_FILENO, text, ::strlen(text)) < 0);
        *kept++ = *words;
        for (const auto& option : options) {
            const size_t length = ::strlen(option.name);
            if (::strncmp(*words, option.name, length) != 0) continue;
            const bool inlined = option.values != nullptr && (*words)[length] == '=';
            if (!inlined && (*words)[length] != '\0') continue;
            --kept;
            const char* value = inlined ? *words + length + 1 : words[1];
            if (option.values == nullptr)
                option.value = 1;
            else if (value == nullptr || !read_value(value, option.values, option.value) ||
                     to.deaths > most_deaths)
                say(option.name, " wants another value; see reeve-init --help"), ::_exit(2);
            else if (!inlined)
                ++words;
            break;
        }
    }
    while (*words != nullptr) *kept++ = *words++;
    *kept = nullptr;
}

}  // namespace reeve::init
