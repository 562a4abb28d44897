// Entry of the control program.
#include "ctl/command.hpp"

int main(int argc, char** argv) {
    return reeve::ctl::run_program({argv + 1, argc > 0 ? static_cast<std::size_t>(argc - 1) : 0});
}
