// On a real dbus-daemon.
#include <gtest/gtest.h>

#include "tests/bus/support/bus_daemon.hpp"
#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

using namespace std::chrono_literals;

class MessageBus : public testing::Test {
protected:
    // Starts a manager on the bus and waits until it has its name.
    void serve(bool system = false, uid_t owner = ::geteuid()) {
        server.emplace(
            ServerOptions{.address = daemon.address(), .system = system, .owner = owner});
        server->on_loop([](Board& board, Bus&) { board.define({service("web"), service("db")}); });
    }
    bool has_name(std::chrono::milliseconds limit = 10s) {
        return eventually(
            [&] { return server->on_loop([](Board&, Bus& bus) { return bus.on_message_bus(); }); },
            limit);
    }
    BusDaemon daemon;
    std::optional<Server> server;
};

TEST_F(MessageBus, ServesTheSameObjects) {
    daemon.start();
    serve();
    ASSERT_TRUE(has_name());
    EXPECT_NE(daemon.owner("org.reeve1"), "");
    Client client{daemon.address(), true};
    const Answered answer = client.call("Start", "sa{sv}", "web", 0U);
    ASSERT_EQ(answer.error, "") << answer.text;
    EXPECT_EQ(client.property("/org/reeve1/unit/web", "org.reeve1.Unit", "State"), "up");
    EXPECT_EQ(client.property("/org/reeve1/unit/web", "org.reeve1.Unit", "AskedBy"),
              "uid " + std::to_string(::geteuid()));
}

TEST_F(MessageBus, TellsChanges) {
    daemon.start();
    serve();
    ASSERT_TRUE(has_name());
    Client client{daemon.address(), true};
    client.match_all();
    server->on_loop([](Board& board, Bus&) { board.tell(core::StartRequest{{}, "web"}); });
    const posix::MessagePtr signal = client.signal("UnitChanged");
    ASSERT_NE(signal, nullptr);
    EXPECT_STREQ(sd_bus_message_get_path(signal.get()), "/org/reeve1");
    ASSERT_NE(client.signal("PropertiesChanged"), nullptr);
}

TEST_F(MessageBus, KnowsWhoCalls) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs a caller of another user";
    daemon.open();
    daemon.start();
    serve(true, 0);
    ASSERT_TRUE(has_name());
    const auto start = [&](const std::string& user) {
        return run_program({"setpriv", "--reuid=" + user, "--regid=65534", "--clear-groups",
                            "busctl", "--address=" + daemon.address(), "call", "org.reeve1",
                            "/org/reeve1", "org.reeve1.Manager", "Start", "sa{sv}", "web", "0"});
    };
    const Ended stranger = start("65534");  // nobody: the bus looks its groups up
    EXPECT_NE(stranger.code, 0);
    EXPECT_NE(stranger.output.find("you may not start web"), std::string::npos) << stranger.output;
    const Ended root = start("0");
    EXPECT_EQ(root.code, 0) << root.output;
}

TEST_F(MessageBus, CancelsWhatAClientAskedWhoLeft) {
    daemon.start();
    serve();
    ASSERT_TRUE(has_name());
    const auto pending = [&] {
        return server->on_loop([](Board&, Bus& bus) { return bus.stats().pending; });
    };
    {
        Client client{daemon.address(), true};
        client.send("WaitEvent", "sa{sv}", "x", 0U);
        ASSERT_TRUE(eventually([&] { return pending() == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return pending() == 0; }));
}

TEST_F(MessageBus, IsFoundWhenItComesAfterUs) {
    serve();
    EXPECT_FALSE(has_name(50ms));
    Client direct{server->address()};
    EXPECT_EQ(direct.call("Stats", "").error, "");
    daemon.start();
    EXPECT_TRUE(has_name(2s));
}

TEST_F(MessageBus, NameOfAnotherManagerBecomesOursWhenThatOneEnds) {
    daemon.start();
    auto first = std::make_unique<Server>(
        ServerOptions{.address = daemon.address(), .system = false, .owner = ::geteuid()});
    ASSERT_TRUE(eventually([&] { return daemon.owner("org.reeve1") != ""; }));
    serve();
    EXPECT_FALSE(has_name(50ms));
    Client direct{server->address()};
    EXPECT_EQ(direct.call("Stats", "").error, "");
    first.reset();
    EXPECT_TRUE(has_name());
}

TEST_F(MessageBus, IsLookedForAgainOnRequest) {
    daemon.start();
    serve();
    ASSERT_TRUE(has_name());
    const std::string before = daemon.owner("org.reeve1");
    server->on_loop([](Board&, Bus& bus) { bus.reconnect(); });
    ASSERT_TRUE(has_name());
    const std::string after = daemon.owner("org.reeve1");
    EXPECT_NE(after, "");
    EXPECT_NE(after, before);
}

}  // namespace
}  // namespace reeve::bus::test
