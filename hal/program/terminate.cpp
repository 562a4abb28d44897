// Takes the place of libstdc++'s verbose terminate handler when that is linked in: the name is
// known to the runtime, so ours is found first, and 47 kB of a demangler stay out of the program.
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace __gnu_cxx {  // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

void __verbose_terminate_handler() {  // NOLINT
    if (const auto error = std::current_exception()) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "not caught: %s\n", e.what());
        } catch (...) {
            std::fputs("not caught: an exception without a text\n", stderr);
        }
    }
    std::abort();
}

}  // namespace __gnu_cxx
