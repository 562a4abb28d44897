// Answers, time-outs, request ids, callers who leave.
#include <gtest/gtest.h>

#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

class Requests : public testing::Test {
protected:
    Requests() {
        auto gated = copy("gated");
        gated->predicates.edit().gate.push_back({units::Predicate::Kind::event, false, "x", {}});
        auto shy = copy("shy");
        shy->refuse_manual_start = true;
        server.on_loop([&](Board& board, Bus&) { board.define({service("web"), gated, shy}); });
    }
    static std::shared_ptr<units::UnitFile> copy(const std::string& name) {
        return std::const_pointer_cast<units::UnitFile>(service(name));
    }
    template <class Request>
    std::size_t asked() {
        return server.on_loop([](Board& board, Bus&) { return board.asked<Request>().size(); });
    }
    std::size_t pending() {
        return server.on_loop([](Board&, Bus& bus) { return bus.stats().pending; });
    }
    Server server;
};

TEST_F(Requests, TellWhatAUnitWaitsForWhenTimeIsUp) {
    Client client{server.address()};
    const Answered answer =
        client.call("Start", "sa{sv}", "gated", 1U, "timeout", "t", UINT64_C(50'000));
    EXPECT_EQ(answer.error, "org.reeve1.Error.StillWaiting");
    EXPECT_NE(answer.text.find("event:x"), std::string::npos) << answer.text;
    EXPECT_NE(answer.text.find("reevectl why gated"), std::string::npos) << answer.text;
    EXPECT_EQ(client.property("/org/reeve1/unit/gated", "org.reeve1.Unit", "Asked"), "up");
    EXPECT_EQ(pending(), 0U);
}

TEST_F(Requests, PassOnWhyOneIsRefused) {
    Client client{server.address()};
    const Answered answer = client.call("Start", "sa{sv}", "shy", 0U);
    EXPECT_EQ(answer.error, "org.reeve1.Error.Refused");
    EXPECT_NE(answer.text.find("refuse-manual-start"), std::string::npos) << answer.text;
}

TEST_F(Requests, WithOneIdActOnceAndGetTheFirstAnswerOverAnyConnection) {
    std::uint64_t runs[3] = {};
    for (std::uint64_t& run : runs) {
        Client client{server.address()};
        const Answered answer = client.call("Restart", "sa{sv}", "web", 1U, "id", "s", "abc");
        ASSERT_EQ(answer.error, "") << answer.text;
        ASSERT_GE(sd_bus_message_read(answer.reply.get(), "st", nullptr, &run), 0);
    }
    EXPECT_NE(runs[0], 0U);
    EXPECT_EQ(runs[1], runs[0]);
    EXPECT_EQ(runs[2], runs[0]);
    EXPECT_EQ(asked<core::RestartRequest>(), 1U);
}

TEST_F(Requests, WithOneIdForTwoThingsAreRefused) {
    Client client{server.address()};
    ASSERT_EQ(client.call("Start", "sa{sv}", "web", 1U, "id", "s", "abc").error, "");
    EXPECT_EQ(client.call("Stop", "sa{sv}", "web", 1U, "id", "s", "abc").error,
              "org.reeve1.Error.InvalidArgument");
    EXPECT_EQ(asked<core::StopRequest>(), 0U);
}

TEST_F(Requests, RememberOnlyTheLastIds) {
    Client client{server.address()};
    const auto set = [&](unsigned number) {
        const std::string id = "n" + std::to_string(number);
        return client.call("SetEvent", "sa{sv}", "x", 1U, "id", "s", id.c_str()).error;
    };
    for (unsigned i = 0; i < 1'100; ++i) ASSERT_EQ(set(i), "");
    ASSERT_EQ(set(1'099), "");  // known
    EXPECT_EQ(asked<core::EventRequest>(), 1'100U);
    ASSERT_EQ(set(0), "");  // forgotten: done again
    EXPECT_EQ(asked<core::EventRequest>(), 1'101U);
}

TEST_F(Requests, OfACallerWhoLeftAreCancelledUnlessTheyHaveAnId) {
    {
        Client client{server.address()};
        client.send("WaitEvent", "sa{sv}", "x", 0U);
        client.send("WaitEvent", "sa{sv}", "y", 1U, "id", "s", "keep");
        ASSERT_TRUE(eventually([&] { return pending() == 2; }));
    }
    ASSERT_TRUE(eventually([&] { return pending() == 1; }));
    EXPECT_EQ(asked<core::CancelRequest>(), 1U);

    Client again{server.address()};
    again.send("WaitEvent", "sa{sv}", "y", 1U, "id", "s", "keep");
    ASSERT_EQ(again.call("SetEvent", "sa{sv}", "y", 0U).error, "");
    EXPECT_EQ(again.call("WaitEvent", "sa{sv}", "y", 1U, "id", "s", "keep").error, "");
    EXPECT_EQ(asked<core::WaitEventRequest>(), 2U);
    EXPECT_EQ(pending(), 0U);
}

TEST_F(Requests, OfOneUserMayWaitUpToALimit) {
    Client client{server.address()};
    for (unsigned i = 0; i < 1'024; ++i) client.send("WaitEvent", "sa{sv}", "x", 0U);
    EXPECT_EQ(client.call("WaitEvent", "sa{sv}", "x", 0U).error, "org.reeve1.Error.LimitsExceeded");
    EXPECT_EQ(pending(), 1'024U);
}

TEST_F(Requests, WaitTellsHowEachUnitEnded) {
    auto once = copy("once");
    once->service->restart = units::Restart::no;
    server.on_loop([&](Board& board, Bus&) { board.define({once, copy("shy")}); });
    Client client{server.address()};
    ASSERT_EQ(client.call("Start", "sa{sv}", "once", 0U).error, "");
    ASSERT_EQ(client.call("Kill", "sssa{sv}", "once", "KILL", "main", 0U).error, "");
    const Answered answer = client.call("Wait", "asa{sv}", 2U, "once", "shy", 0U);
    ASSERT_EQ(answer.error, "") << answer.text;
    const char *unit = nullptr, *state = nullptr, *result = nullptr;
    std::uint64_t run = 0;
    int code = 0, signal = 0;
    ASSERT_GE(sd_bus_message_enter_container(answer.reply.get(), 'a', "(sstiis)"), 0);
    ASSERT_GT(sd_bus_message_read(answer.reply.get(), "(sstiis)", &unit, &state, &run, &code,
                                  &signal, &result),
              0);
    EXPECT_STREQ(unit, "once");
    EXPECT_EQ(signal, SIGKILL);
    EXPECT_STREQ(result, "signal");
    ASSERT_GT(sd_bus_message_read(answer.reply.get(), "(sstiis)", &unit, &state, &run, &code,
                                  &signal, &result),
              0);
    EXPECT_STREQ(unit, "shy");
    EXPECT_STREQ(state, "down");
    EXPECT_EQ(run, 0U);
}

TEST_F(Requests, ToShutDownAGuestOtherwiseThanByExitAreNotSupported) {
    Client client{server.address()};
    const Answered answer = client.call("Shutdown", "sa{sv}", "kexec", 0U);
    EXPECT_EQ(answer.error, "org.reeve1.Error.NotSupported");
    EXPECT_EQ(answer.text, "a guest can only exit");
    EXPECT_EQ(client.call("Shutdown", "sa{sv}", "", 1U, "haste", "s", "soon").error,
              "org.reeve1.Error.InvalidArgument");
    EXPECT_EQ(client.call("Shutdown", "sa{sv}", "", 1U, "haste", "s", "now").error, "");
    const auto shutdowns = server.on_loop([](Board& board, Bus&) { return board.shutdowns; });
    EXPECT_EQ(shutdowns, std::vector<std::string>{""});
}

// ── run ────────────────────────────────────────────────────────────────────────────────────────

TEST_F(Requests, RunMakesATransientUnitOfItsCaller) {
    Client client{server.address()};
    const Answered answer =
        client.call("Run", "sa{sv}a{sv}", "job", 4U, "command", "as", 2U, "/bin/echo", "$HOME",
                    "environment", "a{ss}", 1U, "COLOUR", "blue", "working-directory", "s", "/tmp",
                    "wait-timeout", "t", UINT64_C(5'000'000), 0U);
    ASSERT_EQ(answer.error, "") << answer.text;
    const char *unit = nullptr, *path = nullptr;
    ASSERT_GE(sd_bus_message_read(answer.reply.get(), "sot", &unit, &path, nullptr), 0);
    EXPECT_STREQ(unit, "job");
    EXPECT_STREQ(path, "/org/reeve1/unit/job");
    const auto asked_for =
        server.on_loop([](Board& board, Bus&) { return board.asked<core::RunRequest>(); });
    ASSERT_EQ(asked_for.size(), 1U);
    const units::UnitFile& made = *asked_for[0].unit;
    EXPECT_TRUE(made.transient);
    EXPECT_FALSE(made.service->daemonic);
    EXPECT_EQ(made.service->restart, units::Restart::no);
    EXPECT_EQ(made.service->commands[0].argv, (std::vector<std::string>{"/bin/echo", "$HOME"}));
    EXPECT_FALSE(made.service->commands[0].expand);
    EXPECT_EQ(made.service->surroundings->environment.at("COLOUR"), "blue");
    EXPECT_EQ(made.service->surroundings->user, "");  // the caller is the manager's own user
    EXPECT_EQ(made.wait_timeout, std::chrono::seconds{5});
}

TEST_F(Requests, RunWithAnIdTwiceRunsOnceUnderOneName) {
    Client client{server.address()};
    std::string names[2];
    for (std::string& name : names) {
        const Answered answer = client.call("Run", "sa{sv}a{sv}", "", 1U, "command", "as", 1U,
                                            "/bin/true", 1U, "id", "s", "r1");
        ASSERT_EQ(answer.error, "") << answer.text;
        const char* unit = nullptr;
        ASSERT_GE(sd_bus_message_read(answer.reply.get(), "sot", &unit, nullptr, nullptr), 0);
        name = unit;
    }
    EXPECT_EQ(names[0], names[1]);
    EXPECT_EQ(asked<core::RunRequest>(), 1U);
}

TEST_F(Requests, RunSaysWhatIsWrongWithADefinition) {
    Client client{server.address()};
    const auto text = [](const Answered& answer) { return answer.error + ": " + answer.text; };
    const std::string invalid = "org.reeve1.Error.InvalidArgument: ";
    EXPECT_EQ(text(client.call("Run", "sa{sv}a{sv}", "", 0U, 0U)),
              invalid + "definition.command is missing: say what to run");
    EXPECT_EQ(
        text(client.call("Run", "sa{sv}a{sv}", "../x", 1U, "command", "as", 1U, "/bin/true", 0U)),
        invalid +
            "\"../x\" is no name for a unit; letters, digits, : _ . - \\ and one @ are "
            "allowed");
    EXPECT_EQ(text(client.call("Run", "sa{sv}a{sv}", "", 1U, "command", "as", 1U, "true", 0U)),
              invalid +
                  "definition.command: \"true\" is not absolute; write the whole path of the "
                  "program");
    EXPECT_EQ(text(client.call("Run", "sa{sv}a{sv}", "", 2U, "command", "as", 1U, "/bin/true",
                               "gate", "as", 1U, "weather:fine", 0U)),
              invalid +
                  "definition.gate: \"weather:fine\" is not event:NAME, unit:NAME, device:NAME or "
                  "path:/PATH");
    EXPECT_EQ(asked<core::RunRequest>(), 0U);
}

}  // namespace
}  // namespace reeve::bus::test
