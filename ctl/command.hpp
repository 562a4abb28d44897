// The verbs: one file each in ctl/commands, one table of them all.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "ctl/context.hpp"

namespace reeve::ctl {

struct Command {
    std::string_view verb;
    std::string_view operands;  // "UNIT…", for help
    std::string_view help;      // one line
    std::size_t least;          // how many operands
    std::size_t most;
    std::span<const Opt> options;  // beside the common ones
    int (*run)(Context&);          // its exit code; throws Failure
};
inline constexpr std::size_t any_number = static_cast<std::size_t>(-1);

std::span<const Command> command_table() noexcept;
const Command* find_command(std::string_view verb) noexcept;  // nullptr: no such verb

// The whole program: parses, runs, prints, and turns what is thrown into an exit code.
int run_program(std::span<const char* const> words);

}  // namespace reeve::ctl
