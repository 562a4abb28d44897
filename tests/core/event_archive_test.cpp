#include "daemon/core/event_archive.hpp"

#include <gtest/gtest.h>

#include "tests/core/support/units.hpp"
#include "units/unit_archive.hpp"

namespace reeve::core {
namespace {

using namespace std::chrono_literals;

std::string bytes_of(const Event& event) {
    archive::Writer out;
    out(event);
    return out.take();
}

Event event_of(std::string_view bytes) {
    auto in = archive::Reader::of_whole(bytes);
    auto event = in.read<Event>();
    in.finish();
    return event;
}

// One of each, every field other than its default.
std::vector<Event> one_of_each() {
    const Caller caller{RequestId{1ULL << 63U}, "uid 1000", TimePoint{7s}};
    const ProcessRef process{UnitId{3}, RunId{1ULL << 40U}, 9};
    const ExitStatus status{-1, 11, true, true};
    const auto web = testing::make_unit("service web requires=db type=notify");
    const auto db = testing::make_unit("service db");
    return {StartRequest{caller, "web"},
            StopRequest{caller, "web"},
            RestartRequest{caller, "web", true},
            ReloadRequest{caller, "web"},
            IsolateRequest{caller, "rescue.target"},
            KillRequest{caller, "web", 9, true},
            WaitRequest{caller, {"web", "db"}},
            ResetFailedRequest{caller, "web"},
            ForgetRequest{caller, "web"},
            EventRequest{caller, "calibrated", false},
            WaitEventRequest{caller, "calibrated"},
            ShutdownRequest{caller, ShutdownRequest::Haste::force},
            RunRequest{caller, web},
            CancelRequest{RequestId{5}},
            ApplySet{{web, db}, {"old"}, {"web"}, {{"bad", {"line 1", "line 2"}}, {"worse", {}}}},
            AddUnit{db},
            Spawned{process},
            SpawnFailed{process, "exec /usr/bin/x", 2, true},
            Exited{process, status, true, true},
            Emptied{UnitId{3}, RunId{4}},
            MainFound{UnitId{3}, RunId{4}},
            MainMissing{UnitId{3}, RunId{4}, "PID file missing"},
            MainExited{UnitId{3}, RunId{4}, status, true, true},
            Notified{UnitId{3}, RunId{4}, true, true, true, true, true, 5s, -7},
            PathChanged{"/data", true},
            DeviceChanged{"i2c", true},
            PredicatesTested{UnitId{3}, {"/data", ""}},
            LeasesGranted{UnitId{3}},
            LeasesRefused{UnitId{3}, "no such device"},
            Hindered{UnitId{3}, "user imu unknown"},
            Found{{{UnitId{3}, RunId{7}}, {UnitId{4}, RunId{}}}, "default.target", "boot"},
            TimePassed{}};
}

TEST(EventArchive, EveryEventComesBack) {
    const auto events = one_of_each();
    ASSERT_EQ(events.size(), std::variant_size_v<Event>);
    for (std::size_t i = 0; i < events.size(); ++i) {
        ASSERT_EQ(events[i].index(), i);
        const std::string bytes = bytes_of(events[i]);
        const Event again = event_of(bytes);
        EXPECT_EQ(again.index(), i);
        EXPECT_EQ(bytes_of(again), bytes) << i;
        if (i + 1 < events.size()) {  // the last one has no fields
            EXPECT_GT(bytes.size(), 1U);
        }
        for (std::size_t size = 0; size < bytes.size(); ++size)
            EXPECT_THROW(event_of(std::string_view{bytes}.substr(0, size)), std::invalid_argument);
    }
}

TEST(EventArchive, TheFieldsAreInTheirPlaces) {
    const auto events = one_of_each();
    const auto same = [&]<class T>(const T&) {
        return std::get<T>(event_of(bytes_of(events[Event{T{}}.index()])));
    };
    const auto kill = same(KillRequest{});
    EXPECT_EQ(kill.caller.by, "uid 1000");
    EXPECT_EQ(kill.caller.deadline, TimePoint{7s});
    EXPECT_EQ(kill.signal, 9);
    const auto exited = same(Exited{});
    EXPECT_EQ(exited.process, (ProcessRef{UnitId{3}, RunId{1ULL << 40U}, 9}));
    EXPECT_EQ(exited.status, (ExitStatus{-1, 11, true, true}));
    const auto notified = same(Notified{});
    EXPECT_EQ(notified.extend, 5s);
    EXPECT_EQ(notified.error, -7);
    const auto set = same(ApplySet{});
    ASSERT_EQ(set.units.size(), 2U);
    EXPECT_TRUE(same_definition(*set.units[0], *std::get<RunRequest>(events[12]).unit));
    EXPECT_EQ(set.bad.at("bad").size(), 2U);
}

TEST(EventArchive, AnUnknownEventIsRefused) {
    archive::Writer out;
    out(std::variant_size_v<Event>);
    EXPECT_THROW(event_of(out.take()), std::invalid_argument);
}

// When this fails, what a predecessor has written is read wrongly: raise event_format, or the
// version in units/unit_archive.cpp if that is what changed, and then the number here. (A default
// that changed is harmless.)
TEST(EventArchive, TheFormHasNotChanged) {
    std::string all;
    for (const Event& event : one_of_each()) all += bytes_of(event);
    EXPECT_EQ(archive::checksum(all), 9470778551109263313U);
    EXPECT_EQ(event_format, 2);
}

}  // namespace
}  // namespace reeve::core
