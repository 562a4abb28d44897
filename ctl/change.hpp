// Requests that change units: sent together, with progress while they take long, told at the end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace reeve::ctl {

// A dictionary with a fresh id and the time-out of the options (or 20 s).
Argument request_options(const Context& context);
// How long to wait for the answer to such a request: its time-out, and some more.
Duration patience(Duration timeout);
Duration patience(const Context& context, Duration standard = std::chrono::seconds{20});

struct Change {
    std::string member;  // "Start": (s unit, a{sv}) -> (s state, t run)
    std::string doing;   // "starting", for the progress line
};

// Sends `change` for each unit. With a progress line on a terminal after one second. Prints the
// outcome of each. Returns the exit code: of the first that failed, else 0.
int carry_out(Context& context, const Change& change, const std::vector<std::string>& units);

// Requests without an outcome worth telling (Kill, Forget …), one each unit, sent together.
int carry_out(Context& context, const std::vector<std::string>& units,
              const std::function<Request(const std::string& unit)>& request);

// What a failure should make people do, appended to its sentence.
std::string advised(const Failure& failure, const std::string& unit);

// Shows on a terminal what the units wait for. For Client::perform.
Watcher progress_of(Context& context, std::string doing, std::vector<std::string> units);

}  // namespace reeve::ctl
