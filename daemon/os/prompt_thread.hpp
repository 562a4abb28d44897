// Threads that others wait for and that never work for long.
#pragma once

namespace reeve::os {

// Asks the scheduler for short slices (Linux 6.12; earlier ones ignore it), so that the calling
// thread runs soon after it is woken though others keep the processors busy, for the same share of
// them. Threads and processes that it starts do not inherit this. Below nice 0 nothing is asked
// for: the children would lose that with it.
void be_prompt() noexcept;

}  // namespace reeve::os
