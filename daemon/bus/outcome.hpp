// What a request asks for and how it ended: an answer that can be given again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/core/types.hpp"

namespace reeve::bus {

// What a request's reply holds.
enum class Shape : std::uint8_t { nothing, state, wait, unit, names, applied, manager };
constexpr Shape last_of(Shape) noexcept {
    return Shape::manager;
}

struct WaitResult {
    std::string unit;
    core::State state{};
    core::RunId run{};
    core::ExitStatus exit;
    core::Result result{};
};

// Which fields count depends on the shape.
struct Outcome {
    std::string error;  // one of api::error; empty: done
    std::string text;   // of the error; report of Apply; unit of Run; version of ReExec
    core::State state{};
    core::RunId run{};
    bool applied = false;
    std::uint32_t pid = 0;
    std::vector<WaitResult> results;
    std::vector<std::string> names;
};

// What is asked.
struct Subject {
    std::string asked;  // the method and its words as given: tells two requests apart
    Shape shape{};
    std::vector<std::string> names;  // units or events, by their own names
};

}  // namespace reeve::bus
