#include "hal/core/scheduler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <stdexcept>

namespace reeve::hal {
namespace {

using Names = std::vector<std::string>;
using Holders = std::vector<HolderId>;
using Why = std::vector<std::pair<std::string, Holders>>;

constexpr HolderId ann{1};
constexpr HolderId bob{2};
constexpr HolderId cyd{3};
constexpr HolderId dan{4};

Scheduler with(const std::map<std::string, std::uint32_t>& devices) {
    Scheduler scheduler;
    scheduler.set_devices(devices);
    return scheduler;
}

TEST(Scheduler, GrantsUpToTheCapacityThenInTheOrderOfArrival) {
    auto s = with({{"i2c", 2}});
    EXPECT_EQ(s.ask(ann, {"i2c"}).granted, Holders{ann});
    EXPECT_EQ(s.ask(bob, {"i2c"}).granted, Holders{bob});
    EXPECT_EQ(s.ask(dan, {"i2c"}).granted, Holders{});
    EXPECT_EQ(s.ask(cyd, {"i2c"}).granted, Holders{});
    EXPECT_EQ(s.give_back(ann).granted, Holders{dan});
    EXPECT_EQ(s.give_back(bob).granted, Holders{cyd});
}

TEST(Scheduler, GrantsASetAtOnceOrNotAtAll) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    EXPECT_EQ(s.ask(bob, {"a", "b"}).granted, Holders{});
    EXPECT_FALSE(s.holds(bob));
    EXPECT_TRUE(s.devices()[1].holders.empty()) << "b is nobody's while bob waits for a";
    EXPECT_EQ(s.give_back(ann).granted, Holders{bob});
    EXPECT_TRUE(s.holds(bob));
}

TEST(Scheduler, ALaterTicketForOtherDevicesIsNotHeldUp) {
    auto s = with({{"a", 1}, {"b", 1}, {"c", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a", "b"});
    EXPECT_EQ(s.ask(cyd, {"c"}).granted, Holders{cyd});
}

TEST(Scheduler, ALaterTicketDoesNotPassAnEarlierOneForTheSameDevice) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a", "b"});
    EXPECT_EQ(s.ask(cyd, {"b"}).granted, Holders{}) << "b is free, but bob came first";
    EXPECT_EQ(s.give_back(ann).granted, Holders{bob});
    EXPECT_EQ(s.give_back(bob).granted, Holders{cyd});
}

TEST(Scheduler, TwoThatAlternateDoNotStarveOneThatWantsBoth) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"b"});
    s.ask(cyd, {"a", "b"});
    s.give_back(ann);
    s.ask(ann, {"a"});
    EXPECT_EQ(s.give_back(bob).granted, Holders{cyd});
}

TEST(Scheduler, WhoLeavesTheQueueMakesRoomForThoseBehind) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a", "b"});
    s.ask(cyd, {"b"});
    EXPECT_EQ(s.give_back(bob).granted, Holders{cyd});
}

TEST(Scheduler, AnUnknownDeviceIsRefusedAndNothingIsTaken) {
    auto s = with({{"a", 1}});
    const auto outcome = s.ask(ann, {"a", "lost"});
    EXPECT_TRUE(outcome.granted.empty());
    ASSERT_EQ(outcome.refused.size(), 1U);
    EXPECT_EQ(outcome.refused[0], (std::pair{ann, std::string{"lost"}}));
    EXPECT_EQ(s.ask(bob, {"a"}).granted, Holders{bob});
}

TEST(Scheduler, WhenADeviceGoesItsQueueIsRefusedAndItsHolderKeepsIt) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a", "b"});
    s.ask(cyd, {"b"});
    const auto outcome = s.set_devices({{"b", 1}});
    ASSERT_EQ(outcome.refused.size(), 1U);
    EXPECT_EQ(outcome.refused[0], (std::pair{bob, std::string{"a"}}));
    EXPECT_EQ(outcome.granted, Holders{cyd}) << "bob was in its way";
    EXPECT_TRUE(s.holds(ann));
    EXPECT_TRUE(s.give_back(ann).granted.empty());
}

TEST(Scheduler, ASmallerCapacityTakesNothingAwayAndGrantsNothingUntilThereIsRoom) {
    auto s = with({{"a", 3}});
    for (const auto holder : {ann, bob, cyd}) s.ask(holder, {"a"});
    s.set_devices({{"a", 1}});
    s.ask(dan, {"a"});
    EXPECT_TRUE(s.holds(ann) && s.holds(bob) && s.holds(cyd));
    EXPECT_EQ(s.give_back(ann).granted, Holders{});
    EXPECT_EQ(s.give_back(bob).granted, Holders{});
    EXPECT_EQ(s.give_back(cyd).granted, Holders{dan});
}

TEST(Scheduler, AGreaterCapacityGrantsAtOnce) {
    auto s = with({{"a", 0}});
    EXPECT_EQ(s.ask(ann, {"a"}).granted, Holders{});
    EXPECT_EQ(s.why(ann), (Why{{"a", {}}})) << "full, though nobody holds it";
    EXPECT_EQ(s.set_devices({{"a", 1}}).granted, Holders{ann});
}

TEST(Scheduler, AskingForTheSameAgainKeepsWhatOneHas) {
    auto s = with({{"a", 1}});
    s.ask(ann, {"a"});
    EXPECT_EQ(s.ask(ann, {"a", "a"}).granted, Holders{ann});
    s.ask(bob, {"a"});
    s.ask(cyd, {"a"});
    s.ask(bob, {"a"});
    EXPECT_EQ(s.give_back(ann).granted, Holders{bob}) << "bob kept its place";
}

TEST(Scheduler, AskingForOthersGivesTheFormerBackFirst) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a"});
    EXPECT_EQ(s.ask(ann, {"b"}).granted, (Holders{bob, ann}));
    const auto outcome = s.ask(bob, {"lost"});
    EXPECT_EQ(outcome.refused.size(), 1U);
    EXPECT_FALSE(s.holds(bob));
}

TEST(Scheduler, NoDevicesAreGrantedAtOnce) {
    Scheduler s;
    EXPECT_EQ(s.ask(ann, {}).granted, Holders{ann});
    EXPECT_TRUE(s.holds(ann));
}

TEST(Scheduler, WhyNamesHoldersAndThoseWhoCameEarlier) {
    auto s = with({{"a", 1}, {"b", 1}});
    s.ask(ann, {"a"});
    s.ask(bob, {"a", "b"});
    s.ask(cyd, {"a"});
    s.ask(dan, {"b"});
    EXPECT_EQ(s.why(bob), (Why{{"a", {ann}}})) << "b has room and nobody is earlier";
    EXPECT_EQ(s.why(cyd), (Why{{"a", {ann, bob}}}));
    EXPECT_EQ(s.why(dan), (Why{{"b", {bob}}}));
    EXPECT_EQ(s.why(ann), Why{}) << "it holds";
}

TEST(Scheduler, DevicesListsHoldersByGrantAndTheWaitingByArrival) {
    auto s = with({{"a", 2}});
    for (const auto holder : {dan, ann, cyd, bob}) s.ask(holder, {"a"});
    ASSERT_EQ(s.devices().size(), 1U);
    EXPECT_EQ(s.devices()[0].holders, (Holders{dan, ann}));
    EXPECT_EQ(s.devices()[0].waiting, (Holders{cyd, bob}));
}

TEST(Scheduler, LoadRefusesWhatIsNotAState) {
    auto s = with({{"a", 1}, {"odd 1:x", 2}});
    s.ask(ann, {"a", "odd 1:x"});
    s.ask(bob, {"a"});
    const auto saved = s.save();
    EXPECT_EQ(Scheduler::load(saved).save(), saved);
    for (std::size_t size = 0; size < saved.size(); ++size) {
        EXPECT_THROW(Scheduler::load(saved.substr(0, size)), std::invalid_argument) << size;
    }
    EXPECT_THROW(Scheduler::load(saved + " "), std::invalid_argument);
    EXPECT_THROW(Scheduler::load("leases 2"), std::invalid_argument);
}

// ── random schedules against a model ───────────────────────────────────────────────────────────

// What a person would keep on paper: who holds what, who waits since when. It re-derives from
// each outcome whether it was allowed, and knows nothing of how the scheduler finds it.
class Model {
public:
    explicit Model(std::uint64_t seed) : random_{seed} { set_devices(); }

    void step() {
        switch (pick(20)) {
            case 0: set_devices(); break;
            case 1: scheduler_ = Scheduler::load(scheduler_.save()); break;
            case 2:
            case 3:
            case 4:
            case 5:
            case 6:
            case 7:
            case 8: give_back(holder()); break;
            default: ask(holder(), some_devices()); break;
        }
        check();
    }

    // Everyone gives back what it holds, until nobody is left: who waits must get its turn.
    void drain() {
        for (auto& [name, capacity] : capacity_) capacity = std::max(capacity, 1U);
        note(scheduler_.set_devices(capacity_));
        while (!holds_.empty() || !waits_.empty()) {
            ASSERT_FALSE(holds_.empty()) << "somebody waits for nobody";
            give_back(std::next(holds_.begin(), pick(holds_.size()))->first);
            check();
        }
    }

private:
    long pick(std::size_t below) { return static_cast<long>(random_() % below); }
    HolderId holder() { return HolderId{static_cast<std::uint64_t>(pick(24) + 1)}; }
    std::set<std::string> some_devices() {
        std::set<std::string> devices;
        for (long left = 1 + pick(3); left > 0; --left) devices.insert(std::string(1, letter(9)));
        return devices;
    }
    char letter(std::size_t below) { return static_cast<char>('a' + pick(below)); }

    void set_devices() {
        capacity_.clear();
        for (char name = 'a'; name < 'i'; ++name) {  // i never exists
            if (pick(8) > 0) capacity_[std::string(1, name)] = static_cast<unsigned>(pick(4));
        }
        note(scheduler_.set_devices(capacity_));
    }

    void ask(HolderId holder, const std::set<std::string>& devices) {
        if (!waits_.contains(holder) || waits_[holder].devices != devices) {
            if (!holds_.contains(holder) || holds_[holder] != devices) holds_.erase(holder);
            waits_[holder] = {devices, ++arrivals_};
        }
        Names names{devices.begin(), devices.end()};
        std::ranges::shuffle(names, random_);
        note(scheduler_.ask(holder, names));
    }

    void give_back(HolderId holder) {
        holds_.erase(holder);
        waits_.erase(holder);
        note(scheduler_.give_back(holder));
    }

    void note(const Outcome& outcome) {
        for (const auto& [holder, device] : outcome.refused) {
            ASSERT_TRUE(waits_.contains(holder)) << "refused, but did not wait";
            EXPECT_TRUE(waits_[holder].devices.contains(device));
            EXPECT_FALSE(capacity_.contains(device)) << "refused for a device that exists";
            waits_.erase(holder);
        }
        for (const auto holder : outcome.granted) {
            ASSERT_TRUE(waits_.contains(holder)) << "granted, but did not wait";
            const auto ticket = waits_[holder];
            waits_.erase(holder);
            if (holds_.contains(holder)) continue;  // it had just these, and asked again
            for (const auto& device : ticket.devices) {
                ASSERT_TRUE(capacity_.contains(device));
                EXPECT_LT(used(device), capacity_[device]) << "over capacity: " << device;
            }
            for (const auto& [other, earlier] : waits_) {
                EXPECT_FALSE(earlier.since < ticket.since && share(earlier.devices, ticket.devices))
                    << "passed an earlier ticket for one of its devices";
            }
            holds_[holder] = ticket.devices;
        }
    }

    void check() {
        for (std::uint64_t id = 1; id <= 24; ++id) {
            EXPECT_EQ(scheduler_.holds(HolderId{id}), holds_.contains(HolderId{id}));
            EXPECT_EQ(scheduler_.why(HolderId{id}).empty(), !waits_.contains(HolderId{id}));
        }
        for (const auto& [holder, ticket] : waits_) {
            EXPECT_FALSE(holds_.contains(holder)) << "holds while waiting";
            EXPECT_FALSE(obtainable(ticket)) << "waits for nothing";
        }
    }

    struct Wait {
        std::set<std::string> devices;
        std::uint64_t since = 0;
    };
    bool obtainable(const Wait& ticket) const {
        for (const auto& device : ticket.devices) {
            if (used(device) >= capacity_.at(device)) return false;
        }
        return std::ranges::none_of(waits_, [&](const auto& other) {
            return other.second.since < ticket.since && share(other.second.devices, ticket.devices);
        });
    }
    static bool share(const std::set<std::string>& a, const std::set<std::string>& b) {
        return std::ranges::any_of(a, [&](const auto& device) { return b.contains(device); });
    }
    std::size_t used(const std::string& device) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            holds_, [&](const auto& lease) { return lease.second.contains(device); }));
    }

    std::mt19937_64 random_;
    Scheduler scheduler_;
    std::map<std::string, std::uint32_t> capacity_;
    std::map<HolderId, std::set<std::string>> holds_;
    std::map<HolderId, Wait> waits_;
    std::uint64_t arrivals_ = 0;
};

TEST(Scheduler, NeverGoesOverCapacityNorStarvesAnybodyInRandomSchedules) {
    const int seeds = std::getenv("REEVE_LONG") ? 1'000 : 100;
    for (int seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Model model{static_cast<std::uint64_t>(seed)};
        for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) model.step();
        if (!testing::Test::HasFailure()) model.drain();
    }
}

}  // namespace
}  // namespace reeve::hal
