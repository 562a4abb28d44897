// Where in the program's own code a call was made from.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace reeve::failcall {

// The code of a process's program, without that of its libraries.
class ProgramText {
public:
    // Reads /proc/PID/maps and the code. Throws std::runtime_error.
    explicit ProgramText(pid_t pid);

    // The innermost return address into the program on the stack of a stopped thread, as an offset
    // into its file's image. There are no frame pointers in libc to follow: each
    // word that points behind a call instruction is taken for one. One that was left on the stack
    // by an earlier call is taken too, and mostly the same, as the way to the call is the same.
    // nullopt: there is none, this is the dynamic loader.
    [[nodiscard]] std::optional<std::uint64_t> caller(pid_t thread,
                                                      std::uint64_t stack_pointer) const;

    // Is the call one that a sanitizer makes for itself, at this address with this stack? What
    // AddressSanitizer calls for the program goes through libc; UndefinedBehaviorSanitizer calls
    // nothing for it.
    [[nodiscard]] bool is_of_sanitizer(pid_t thread, std::uint64_t address,
                                       std::uint64_t stack_pointer);

private:
    enum class Library { other, address_sanitizer, undefined_sanitizer };
    struct Mapping {
        std::uint64_t end = 0;
        Library library = Library::other;
    };
    void read_mappings();
    Library library_at(std::uint64_t address) const;
    [[nodiscard]] bool is_mapped(std::uint64_t address) const;
    [[nodiscard]] bool follows_a_call(std::uint64_t address) const noexcept;

    pid_t pid_;
    std::uint64_t base_ = 0, begin_ = 0;
    std::map<std::uint64_t, Mapping> mappings_;  // of code, by begin
    std::vector<std::uint8_t> code_;
};

}  // namespace reeve::failcall
