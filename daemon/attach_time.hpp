// How long services had no manager, and where that time went.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "daemon/core/types.hpp"
#include "daemon/json.hpp"

namespace reeve {

// Each part ends where the next begins. All of it is measured from the death of the manager before.
class AttachTime {
public:
    enum class Part : std::uint8_t {
        begin,    // the keeper starts the program, up to main()
        fetch,    // settings, descriptors that come back, the bus
        recover,  // the journal is read
        replay,   // the engine is loaded, and handles again what came since
        adopt,    // processes, cgroups and pipes are looked for
        resume,   // gates, requests, what had not been done
    };
    static constexpr std::array names{"begin", "fetch", "recover", "replay", "adopt", "resume"};

    // `died`: when the manager before us did.
    explicit AttachTime(core::TimePoint died) : died_{died} {}
    void ends(Part part, core::TimePoint at) { ends_[static_cast<std::size_t>(part)] = at; }

    [[nodiscard]] std::uint64_t total_us() const { return microseconds(died_, ends_.back()); }
    [[nodiscard]] std::uint64_t us(std::size_t part) const {
        return microseconds(part == 0 ? died_ : ends_[part - 1], ends_[part]);
    }
    // {"total_us":…, "begin_us":…, …}
    [[nodiscard]] std::string json() const {
        JsonObject out;
        out.add("total_us", total_us());
        for (std::size_t part = 0; part < names.size(); ++part)
            out.add(std::string{names[part]} + "_us", us(part));
        return out.str();
    }

private:
    static std::uint64_t microseconds(core::TimePoint from, core::TimePoint to) {
        using Micro = std::chrono::microseconds;
        return to > from ? static_cast<std::uint64_t>(
                               std::chrono::duration_cast<Micro>(to - from).count())
                         : 0;
    }

    core::TimePoint died_;
    std::array<core::TimePoint, names.size()> ends_{};
};

}  // namespace reeve
