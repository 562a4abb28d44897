// Before another binary takes our place it proves that it can read the state.
#pragma once

#include <string>

namespace reeve {

// Asks `binary` whether it can take over the state behind `state` (borrowed). Blocks, up to five
// seconds: not for the loop. Empty: it can; else why not.
std::string ask_successor(const std::string& binary, int state);

// The answer of a binary that is asked, `reeved --check-state` with the state as its stdin: prints
// a line and gives the exit code.
int answer_as_successor();

}  // namespace reeve
