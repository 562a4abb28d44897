// A row of events out of fuzzed bytes, for an engine over a set of random units.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/core/engine.hpp"
#include "daemon/core/event_archive.hpp"
#include "tests/core/support/sim_set.hpp"
#include "units/archive.hpp"

namespace reeve::fuzz {

class Bytes {
public:
    explicit Bytes(std::string_view bytes) : rest_{bytes} {}
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        const auto one = take(1);
        return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one.front());
    }
    std::string_view take(std::size_t count) {
        const auto part = rest_.substr(0, count);
        rest_.remove_prefix(part.size());
        return part;
    }

private:
    std::string_view rest_;
};

// Draws events, and hears what the engine does, so that news is often of processes there are.
class Story {
public:
    explicit Story(std::uint8_t seed) : random_{seed}, set_{random_, 1U + seed % 8U} {}

    core::ApplySet units() { return {set_.units(), set_.masked(), {}, {}, false}; }

    core::Event event(Bytes& in) {
        using namespace core;
        const std::uint8_t kind = in.byte();
        const std::uint8_t what = in.byte();
        switch (kind % 32) {
            case 0: return StartRequest{caller(what), name(what)};
            case 1: return StopRequest{caller(what), name(what)};
            case 2: return RestartRequest{caller(what), name(what), kind >= 128};
            case 3: return ReloadRequest{caller(what), name(what)};
            case 4: return IsolateRequest{caller(what), name(what)};
            case 5: return KillRequest{caller(what), name(what), kind, kind >= 128};
            case 6: return WaitRequest{caller(what), {name(what), name(in.byte())}};
            case 7: return ResetFailedRequest{caller(what), kind >= 128 ? "" : name(what)};
            case 8: return ForgetRequest{caller(what), name(what)};
            case 9: return EventRequest{caller(what), set_.event_name(), kind >= 128};
            case 10: return WaitEventRequest{caller(what), set_.event_name()};
            case 11:
                if (what < 192) return TimePassed{};
                return ShutdownRequest{caller(what), static_cast<ShutdownRequest::Haste>(what % 3)};
            case 12: return RunRequest{caller(what), set_.transient()};
            case 13: return CancelRequest{RequestId{what}};
            case 14: {
                if (++sets_ > most_sets) return TimePassed{};
                auto restart = set_.change();
                if (kind < 128) restart.clear();
                return ApplySet{set_.units(), set_.masked(), std::move(restart), {}, what >= 240};
            }
            case 15:
                if (auto unit = set_.add()) return AddUnit{std::move(unit)};
                return TimePassed{};
            case 16: return PathChanged{set_.path_name(), kind >= 128};
            case 17: return DeviceChanged{"dev" + std::to_string(what % 5), kind >= 128};
            case 18: return PredicatesTested{unit(what), {set_.path_name()}};
            case 19: return LeasesGranted{unit(what)};
            case 20: return LeasesRefused{unit(what), "refused"};
            case 21: return Hindered{unit(what), kind >= 128 ? "hindered" : ""};
            case 22: return raw(in.take(what));
            case 23: return MainFound{unit(what), process(what).run};
            case 24: return MainMissing{unit(what), process(what).run, "missing"};
            case 25:
                return MainExited{process(what).unit, process(what).run, status(in), false,
                                  kind >= 128};
            case 26:
                return Notified{process(what).unit, process(what).run,
                                (kind & 32U) != 0,  (kind & 64U) != 0,
                                kind >= 128,        what >= 128,
                                what == 255,        Duration{in.byte() * 1'000'000},
                                in.byte()};
            case 27: return Emptied{process(what).unit, process(what).run};
            case 28: return SpawnFailed{process(what), "exec", 2, kind >= 128};
            case 29: return Spawned{process(what)};
            case 30: return Spawned{process(what)};
            default: return Exited{process(what), status(in), what == 255, kind >= 128};
        }
    }

    // A while, or until the engine has something to do.
    static core::TimePoint later(Bytes& in, core::TimePoint now, const core::Engine& engine) {
        const std::uint8_t by = in.byte();
        const auto next = engine.next_deadline();
        if (by >= 128 && next) return std::clamp(*next, now, now + std::chrono::hours{24 * 365});
        return now + std::chrono::milliseconds{by * by};
    }

    void hear(const std::vector<core::Action>& actions) {
        for (const core::Action& action : actions)
            if (const auto* spawn = std::get_if<core::Spawn>(&action))
                processes_.push_back(spawn->process);
        if (processes_.size() > 16) processes_.erase(processes_.begin(), processes_.end() - 16);
    }

private:
    static core::Caller caller(std::uint8_t what) {
        return {core::RequestId{what}, "op", core::TimePoint{std::chrono::seconds{what}}};
    }
    // Of a unit there is, or by its number in the set.
    std::string name(std::uint8_t what) {
        const auto units = set_.units();
        if (what >= 224 || units.empty()) return set_.any_name();
        return units[what % units.size()]->name;
    }
    static core::UnitId unit(std::uint8_t what) { return core::UnitId{what % 24U}; }
    [[nodiscard]] core::ProcessRef process(std::uint8_t what) const {
        if (processes_.empty()) return {unit(what), core::RunId{what}, 1};
        return processes_[processes_.size() - 1 - what % processes_.size()];
    }
    static core::ExitStatus status(Bytes& in) {
        const std::uint8_t how = in.byte();
        return {how % 4, how >= 128 ? how % 16 : 0, how == 255, how == 127};
    }
    static core::Event raw(std::string_view bytes) {
        try {
            return archive::Reader::of_whole(bytes).read<core::Event>();
        } catch (const std::invalid_argument&) {
            return core::TimePassed{};
        }
    }

    static constexpr int most_sets = 3;  // each costs as much as many other events

    sim::Random random_;
    sim::RandomSet set_;
    std::vector<core::ProcessRef> processes_;  // the latest
    int sets_ = 0;
};

}  // namespace reeve::fuzz
