#include <gtest/gtest.h>

#include "units/load.hpp"

namespace reeve::units {
namespace {

using namespace std::chrono_literals;

LoadOptions options() {
    LoadOptions options;
    options.host.host_name = "board";
    options.host.runtime_directory = "/run";
    return options;
}

UnitPtr parse(std::string_view text, std::string_view name = "x") {
    const auto result = parse_unit(name, "x.toml", text, options());
    for (const auto& problem : result.problems) ADD_FAILURE() << to_string(problem);
    return result.unit ? result.unit : std::make_shared<const UnitFile>();
}

// The example of docs/design.md §4, without what a later version brings.
TEST(ParseUnit, ReadsTheExampleOfTheDesign) {
    const auto unit = parse(R"(
        [unit]
        description = "Reads the IMU over I2C"
        after    = ["network"]
        requires = ["dbus", { unit = "cache", order = "none" }]
        gate     = ["event:calibrated", "device:i2c-sensors", "path:/data/imu.conf"]
        [service]
        type      = "notify"
        command   = ["/usr/bin/imu-poller", "--rate", "200"]
        user      = "imu"
        backoff   = { first = "200ms", factor = 1.5, max = "10s", reset-after = "2min" }
        limit     = { starts = 5, within = "1min", then = "event:imu-broken" }
        stop-timeout = "5s"
        watchdog  = "2s"
        [hal]
        lease    = [{ device = "i2c-sensors", mode = "exclusive" }]
        [log]
        to = ["file"]
        max-size = "512KiB"
        keep = 5
    )");
    EXPECT_EQ(unit->description, "Reads the IMU over I2C");
    const std::vector<Link> links{{Relation::after, true, "network"},
                                  {Relation::requires_, true, "dbus"},
                                  {Relation::requires_, false, "cache"}};
    EXPECT_EQ(unit->links, links);
    ASSERT_EQ(unit->predicates->gate.size(), 3U);
    EXPECT_EQ(to_string(unit->predicates->gate[1]), "device:i2c-sensors");
    ASSERT_TRUE(unit->service);
    const Service& service = *unit->service;
    EXPECT_EQ(service.type, Type::notify);
    ASSERT_EQ(service.commands.size(), 1U);
    EXPECT_EQ(service.commands[0].argv,
              (std::vector<std::string>{"/usr/bin/imu-poller", "--rate", "200"}));
    EXPECT_TRUE(service.daemonic);
    EXPECT_EQ(service.restart, Restart::on_failure);
    EXPECT_EQ(service.surroundings->user, "imu");
    EXPECT_EQ(*service.backoff, (Backoff{200ms, 1.5, 10s, 2min}));
    EXPECT_EQ(*service.limit, (Limit{5, 1min, Limit::Then::event, "imu-broken"}));
    EXPECT_EQ(service.stop_timeout, 5s);
    EXPECT_EQ(service.watchdog, 2s);
    EXPECT_EQ(unit->leases, (std::vector<Lease>{{"i2c-sensors"}}));
    EXPECT_TRUE(unit->log->file);
    EXPECT_FALSE(unit->log->memory);
    EXPECT_EQ(unit->log->max_size, 512U << 10U);
    EXPECT_EQ(unit->log->keep, 5U);
}

// Semantics §6, §10: "on-failure for daemonic services, no for oneshot".
// "`daemonic` is true for long-running services, false for oneshot and transient units, unless
// set."
TEST(ParseUnit, OneshotEndsByItselfAndStaysEnded) {
    const auto unit = parse("[service]\ntype = \"oneshot\"\ncommand = [\"/bin/true\"]\n");
    EXPECT_FALSE(unit->service->daemonic);
    EXPECT_EQ(unit->service->restart, Restart::no);
    EXPECT_EQ(unit->service->start_timeout, infinity);
    EXPECT_EQ(unit->service->stop_timeout, 10s);
}

TEST(ParseUnit, WhatIsWrittenBeatsTheDefaultsOfOneshot) {
    const auto unit = parse(R"([service]
        type = "oneshot"
        command = [["/bin/true"], ["/bin/false"]]
        daemonic = true
        restart = "always"
        start-timeout = "3s")");
    EXPECT_TRUE(unit->service->daemonic);
    EXPECT_EQ(unit->service->restart, Restart::always);
    EXPECT_EQ(unit->service->start_timeout, 3s);
    EXPECT_EQ(unit->service->commands.size(), 2U);
}

TEST(ParseUnit, DescriptionsAreUtf8) {
    const auto unit =
        parse("# 注释\n[unit]\ndescription = \"读取惯性测量单元 🤖\"\n[target]\n");
    EXPECT_EQ(unit->description, "读取惯性测量单元 🤖");
    EXPECT_EQ(unit->kind, Kind::target);
}

TEST(ParseUnit, CommandsCarryTheirMarks) {
    const auto unit = parse(R"([service]
        command = ["/bin/a"]
        start-pre = [["/bin/b"], { command = ["/bin/c", "$X"], ignore-failure = true, as-root = true, no-expand = true }]
        stop = { command = ["/bin/d"], ignore-failure = true })");
    const auto& commands = unit->service->commands;
    ASSERT_EQ(commands.size(), 4U);
    const auto& marked = commands[2];
    EXPECT_EQ(marked.argv.at(0), "/bin/c");
    EXPECT_EQ(marked.phase, Phase::start_pre);
    EXPECT_TRUE(marked.ignore_failure && marked.as_root && !marked.expand);
    EXPECT_EQ(commands[3].phase, Phase::stop);
}

TEST(ParseUnit, SpecifiersAreReplacedInEveryString) {
    const auto unit = parse(
        "[unit]\ndescription = \"%n %p %i %I 100%%\"\nafter = [\"net@%i\"]\n"
        "gate = [\"path:%t/%N\"]\n[service]\ncommand = [\"/bin/echo\", \"%H\"]\n",
        "tty@dev-ttyS0\\x2d1");
    EXPECT_EQ(unit->description, "tty@dev-ttyS0\\x2d1 tty dev-ttyS0\\x2d1 dev/ttyS0-1 100%");
    EXPECT_EQ(unit->links.at(0).unit, "net@dev-ttyS0\\x2d1");
    EXPECT_EQ(to_string(unit->predicates->gate.at(0)), "path:/run/tty@dev-ttyS0\\x2d1");
    EXPECT_EQ(unit->service->commands.at(0).argv.at(1), "board");
}

TEST(ParseUnit, AProgramWithoutAPathIsFoundInPath) {
    const auto unit = parse("[service]\ncommand = [\"sh\", \"-c\", \"true\"]\n");
    EXPECT_TRUE(unit->service->commands.at(0).argv.at(0).ends_with("/bin/sh"));
}

}  // namespace
}  // namespace reeve::units
