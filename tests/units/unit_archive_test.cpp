#include "units/unit_archive.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "units/load.hpp"

namespace reeve::units {
namespace {

using namespace std::chrono_literals;

// Every field says something else than its default.
UnitFile full_unit() {
    UnitFile unit;
    unit.name = "imu@1";
    unit.kind = Kind::device;
    unit.enabled = false;
    unit.stop_when_unneeded = unit.ignore_on_isolate = unit.refuse_manual_start = true;
    unit.refuse_manual_stop = unit.transient = unit.searched = true;
    unit.wait_timeout = 5s;
    unit.description = "Reads \xc3\xa9verything\n";
    unit.aliases = {"imu", ""};
    unit.links = {{Relation::wants, false, "db"}, {Relation::required_by, true, "board"}};
    unit.sets = {"calibrated"};
    unit.leases = {{"i2c"}, {"spi"}};
    unit.control = {"user:op"};
    unit.files = {"/etc/reeve/units/imu@.toml", "/run/reeve/units/imu@.toml.d/a.toml"};
    const Predicate leaf{Predicate::Kind::path, true, "/data", {}};
    const Predicate all{Predicate::Kind::all, false, "", {leaf, leaf}};
    unit.predicates.edit() = {
        {{Predicate::Kind::any, true, "", {all, leaf}}}, {leaf}, {all}, GateLost::restart};
    unit.log.edit() = {true, false, 65'536, 1, 9, true};
    unit.device.capacity = 4'000'000'000U;
    unit.stamp = 1;
    unit.service = std::make_unique<Service>();
    Service& service = *unit.service;
    service.type = Type::forking;
    service.restart = Restart::always;
    service.kill_mode = KillMode::none;
    service.notify_access = NotifyAccess::all;
    service.daemonic = service.children = false;
    service.remain_after_exit = service.ignore_sigpipe = true;
    service.kill_signal = 64;
    service.ready_fd = 3;
    service.start_timeout = infinity;
    service.stop_timeout = 1us;
    service.run_timeout = 24h;
    service.watchdog = 2s;
    service.pid_file = "/run/imu.pid";
    service.commands = {{Phase::stop_post, true, true, false, {"/bin/sh", "", "-c\n"}}, {}};
    service.backoff.edit() = {1ms, 1.1, 1h, 7s};
    service.limit.edit() = {5, 1min, Limit::Then::start, "rescue"};
    service.exits.edit() = {{{0, 255}, {15}}, {{1}, {}}, {{}, {9, 1}}};
    service.surroundings.edit() = {{{"A", "1"}, {"B", ""}},
                                   {{"/etc/default/imu", true}},
                                   "/srv",
                                   "imu",
                                   "dialout",
                                   0U,
                                   1U << 20U,
                                   {"imu"},
                                   {"imu", "shared"}};
    return unit;
}

void expect_same(const UnitFile& a, const UnitFile& b) {
    EXPECT_TRUE(same_definition(a, b)) << a.name;
    EXPECT_EQ(a.files, b.files) << a.name;
    EXPECT_EQ(to_bytes(a), to_bytes(b)) << a.name;
}

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in{file};
    return {std::istreambuf_iterator<char>{in}, {}};
}

TEST(UnitArchive, EveryFieldComesBack) {
    const UnitFile unit = full_unit();
    expect_same(unit, *unit_from_bytes(to_bytes(unit)));
}

TEST(UnitArchive, WhatIsNotSaidTakesNoMemory) {
    UnitFile unit;
    unit.name = "web";
    unit.service = std::make_unique<Service>();
    EXPECT_LT(to_bytes(unit).size(), 100U);
    expect_same(unit, *unit_from_bytes(to_bytes(unit)));
    unit.service.reset();
    EXPECT_EQ(unit_from_bytes(to_bytes(unit))->service, nullptr);
}

// Every unit file that lies in the tree, as far as it is one.
TEST(UnitArchive, UnitFilesComeBack) {
    LoadOptions options;
    options.host.path = "/usr/bin:/bin";
    std::vector<UnitPtr> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{SOURCE_ROOT}) {
        if (entry.path().string().find("/build/") != std::string::npos) continue;
        if (entry.path().extension() != ".toml" &&
            entry.path().parent_path().filename() != "unit_file_fuzz")
            continue;
        if (!entry.is_regular_file()) continue;
        const auto result =
            parse_unit("it@1", entry.path().string(), text_of(entry.path()), options);
        if (result.unit) all.push_back(result.unit);
    }
    ASSERT_GT(all.size(), 30U);
    archive::Writer out;
    out(all);
    const std::string bytes = out.take();
    auto in = archive::Reader::of_whole(bytes);
    const auto read = in.read<std::vector<UnitPtr>>();
    in.finish();
    ASSERT_EQ(read.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) expect_same(*all[i], *read[i]);
}

TEST(UnitArchive, NeighboursShareWhatTheyHaveInCommon) {
    const std::vector<UnitPtr> two{std::make_shared<UnitFile>(full_unit()),
                                   std::make_shared<UnitFile>(full_unit())};
    archive::Writer out;
    out(two);
    const std::string bytes = out.take();
    auto in = archive::Reader::of_whole(bytes);
    const auto read = in.read<std::vector<UnitPtr>>();
    ASSERT_EQ(read.size(), 2U);
    EXPECT_EQ(&*read[0]->predicates, &*read[1]->predicates);
    EXPECT_EQ(&*read[0]->service->surroundings, &*read[1]->service->surroundings);
}

TEST(UnitArchive, RefusesWhatIsCutShortAndAnotherVersion) {
    const std::string bytes = to_bytes(full_unit());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_THROW(unit_from_bytes(std::string_view{bytes}.substr(0, size)),
                     std::invalid_argument)
            << size;
    EXPECT_THROW(unit_from_bytes(bytes + '\0'), std::invalid_argument);
    std::string other = bytes;
    ++other[0];
    EXPECT_THROW(unit_from_bytes(other), std::invalid_argument);
}

TEST(UnitArchive, RefusesWhatIsNotInAList) {
    UnitFile unit;
    unit.kind = last_of(unit.kind);
    EXPECT_EQ(unit_from_bytes(to_bytes(unit))->kind, unit.kind);
    unit.kind = static_cast<Kind>(static_cast<int>(unit.kind) + 1);
    EXPECT_THROW(unit_from_bytes(to_bytes(unit)), std::invalid_argument);
}

TEST(UnitArchive, RefusesATimeBeforeItsClockBegan) {
    using Time = std::chrono::steady_clock::time_point;
    for (const Time at : {Time{}, Time{1s}, Time::max(), Time{-1ns}, Time::min()}) {
        archive::Writer out;
        out(at);
        const std::string bytes = out.take();
        auto in = archive::Reader::of_whole(bytes);
        if (at < Time{}) {
            EXPECT_THROW(in.read<Time>(), std::invalid_argument);
        } else {
            EXPECT_EQ(in.read<Time>(), at);
        }
    }
}

TEST(UnitArchive, NestsNoDeeperThanItIsWritten) {
    UnitFile unit;
    unit.predicates.edit().gate.resize(1);
    Predicate* inner = unit.predicates.edit().gate.data();
    for (int depth = 0; depth < 1'000; ++depth) {
        inner->parts.resize(1);
        inner = inner->parts.data();
    }
    EXPECT_THROW(unit_from_bytes(to_bytes(unit)), std::invalid_argument);
}

}  // namespace
}  // namespace reeve::units
