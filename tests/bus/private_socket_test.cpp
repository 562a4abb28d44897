// The private socket, met by sd-bus and by programs that people have.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

class PrivateSocket : public testing::Test {
protected:
    PrivateSocket() {
        server.on_loop([](Board& board, Bus&) { board.define({service("web"), service("db")}); });
    }
    Ended busctl(std::vector<std::string> words) {
        words.insert(words.begin(), {"busctl", "--address=" + server.address()});
        return run_program(words);
    }
    Server server;
};

TEST_F(PrivateSocket, StartsAUnitAndSaysItsStateAndRun) {
    Client client{server.address()};
    const Answered answer = client.call("Start", "sa{sv}", "web", 0U);
    ASSERT_EQ(answer.error, "") << answer.text;
    const char* state = nullptr;
    std::uint64_t run = 0;
    ASSERT_GE(sd_bus_message_read(answer.reply.get(), "st", &state, &run), 0);
    EXPECT_STREQ(state, "up");
    EXPECT_NE(run, 0U);
    EXPECT_EQ(client.property("/org/reeve1/unit/web", "org.reeve1.Unit", "State"), "up");
}

TEST_F(PrivateSocket, SaysWhatToDoAboutAnUnknownUnit) {
    Client client{server.address()};
    const Answered answer = client.call("Start", "sa{sv}", "wbe", 0U);
    EXPECT_EQ(answer.error, "org.reeve1.Error.NoSuchUnit");
    EXPECT_EQ(answer.text, "there is no unit wbe; `reevectl list` shows those there are");
}

TEST_F(PrivateSocket, RefusesOptionsThatNobodyKnows) {
    Client client{server.address()};
    const Answered answer = client.call("Start", "sa{sv}", "web", 1U, "timout", "t", UINT64_C(1));
    EXPECT_EQ(answer.error, "org.reeve1.Error.InvalidArgument");
    EXPECT_TRUE(has(answer.text, "timout")) << answer.text;
}

TEST_F(PrivateSocket, RefusesAnOptionOfTheWrongType) {
    Client client{server.address()};
    const Answered answer = client.call("Start", "sa{sv}", "web", 1U, "timeout", "s", "5s");
    EXPECT_EQ(answer.error, "org.reeve1.Error.InvalidArgument");
    EXPECT_EQ(answer.text, "options.timeout must have the type t");
}

TEST_F(PrivateSocket, BusctlIntrospectsCallsAndListsTheTree) {
    const Ended tree = busctl({"tree", "org.reeve1"});
    EXPECT_EQ(tree.code, 0) << tree.output;
    EXPECT_TRUE(has(tree.output, "/org/reeve1/unit/web")) << tree.output;

    const Ended seen = busctl({"introspect", "org.reeve1", "/org/reeve1/unit/web"});
    EXPECT_EQ(seen.code, 0) << seen.output;
    EXPECT_TRUE(has(seen.output, ".State")) << seen.output;
    EXPECT_TRUE(has(seen.output, "\"the web\"")) << seen.output;

    const Ended called = busctl(
        {"call", "org.reeve1", "/org/reeve1", "org.reeve1.Manager", "Start", "sa{sv}", "web", "0"});
    EXPECT_EQ(called.code, 0) << called.output;
    EXPECT_EQ(called.output, "st \"up\" 1\n");

    const Ended read =
        busctl({"get-property", "org.reeve1", "/org/reeve1/unit/web", "org.reeve1.Unit", "State"});
    EXPECT_EQ(read.output, "s \"up\"\n");
}

TEST_F(PrivateSocket, GdbusIntrospectsAndCalls) {
    const Ended seen = run_program({"gdbus", "introspect", "--address", server.address(), "--dest",
                                    "org.reeve1", "--object-path", "/org/reeve1"});
    EXPECT_EQ(seen.code, 0) << seen.output;
    EXPECT_TRUE(has(seen.output, "interface org.reeve1.Manager")) << seen.output;

    const Ended called = run_program({"gdbus", "call", "--address", server.address(), "--dest",
                                      "org.reeve1", "--object-path", "/org/reeve1", "--method",
                                      "org.reeve1.Manager.Stop", "db", "{}"});
    EXPECT_EQ(called.code, 0) << called.output;
    EXPECT_EQ(called.output, "('down', uint64 0)\n");
}

TEST_F(PrivateSocket, AnswersTheQuestionsThatAreMeantForABusDaemon) {
    for (const auto& [method, argument, expected] : std::vector<std::array<std::string, 3>>{
             {"GetNameOwner", "org.reeve1", "s \":1.0\"\n"},
             {"NameHasOwner", "org.other", "b false\n"},
             {"NameHasOwner", "org.reeve1", "b true\n"},
             {"GetConnectionUnixUser", "org.reeve1", "u " + std::to_string(::geteuid()) + "\n"}}) {
        const Ended called = busctl({"call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", method, "s", argument});
        EXPECT_EQ(called.output, expected) << method;
    }
}

TEST_F(PrivateSocket, TellsChangesOnceATurnToThoseWhoListen) {
    Client plain{server.address()};  // no bus daemon: hears all
    Client subscribed{server.address(), true};
    Client silent{server.address(), true};  // said Hello, no AddMatch: hears nothing
    subscribed.match_all();

    server.on_loop([](Board& board, Bus&) { board.tell(core::StartRequest{{}, "web"}); });

    for (Client* client : {&plain, &subscribed}) {
        const posix::MessagePtr signal = client->signal("UnitChanged");
        ASSERT_NE(signal, nullptr);
        const char *unit = nullptr, *from = nullptr, *to = nullptr;
        ASSERT_GE(sd_bus_message_read(signal.get(), "sss", &unit, &from, &to), 0);
        EXPECT_STREQ(unit, "web");
        EXPECT_STREQ(from, "down");
        EXPECT_STREQ(to, "up");  // starting, too short to be told of
        const posix::MessagePtr properties = client->signal("PropertiesChanged");
        ASSERT_NE(properties, nullptr);
        EXPECT_STREQ(sd_bus_message_get_path(properties.get()), "/org/reeve1/unit/web");
    }
    EXPECT_EQ(silent.call("Stats", "").error, "");
    sd_bus_message* message = nullptr;
    while (sd_bus_process(silent.bus(), &message) > 0) {
        const posix::MessagePtr owned{message};
        EXPECT_EQ(message != nullptr && sd_bus_message_is_signal(message, nullptr, "UnitChanged"),
                  0);
    }
}

TEST_F(PrivateSocket, TellsStatusAndMainPidWhenTheyChange) {
    server.on_loop([](Board& board, Bus&) { board.tell(core::StartRequest{{}, "web"}); });
    Client client{server.address()};
    server.on_loop([](Board& board, Bus&) { board.say_status("web", "已就绪, 3 clients"); });
    ASSERT_NE(client.signal("PropertiesChanged"), nullptr);
    const std::string path = "/org/reeve1/unit/web";
    EXPECT_EQ(client.property(path, "org.reeve1.Unit", "Status"), "已就绪, 3 clients");
}

TEST_F(PrivateSocket, PassesADescriptorOfTheLog) {
    Client client{server.address()};
    const Answered answer = client.call("Logs", "asa{sv}", 1U, "web", 1U, "lines", "u", 7U);
    ASSERT_EQ(answer.error, "") << answer.text;
    int log = -1;
    ASSERT_GE(sd_bus_message_read(answer.reply.get(), "h", &log), 0);
    char text[64] = {};
    ASSERT_GT(::read(log, text, sizeof(text) - 1), 0);
    EXPECT_STREQ(text, "lines 7 of web");
}

TEST_F(PrivateSocket, SendsSignalsByNameAndNumber) {
    Client client{server.address()};
    for (const char* signal : {"HUP", "SIGUSR1", "12"}) {
        ASSERT_EQ(client.call("Start", "sa{sv}", "web", 0U).error, "");
        EXPECT_EQ(client.call("Kill", "sssa{sv}", "web", signal, "main", 0U).error, "") << signal;
    }
    const auto asked =
        server.on_loop([](Board& board, Bus&) { return board.asked<core::KillRequest>(); });
    ASSERT_EQ(asked.size(), 3U);
    EXPECT_EQ(asked[0].signal, SIGHUP);
    EXPECT_EQ(asked[1].signal, SIGUSR1);
    EXPECT_EQ(asked[2].signal, SIGUSR2);
    EXPECT_EQ(client.call("Kill", "sssa{sv}", "web", "BANG", "main", 0U).error,
              "org.reeve1.Error.InvalidArgument");
}

void bind_and_leave(const std::string& path) {
    const posix::Fd left{posix::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    posix::check(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
                 "bind");
}

// Nothing else would tell either of the two: all of it has been read.
TEST_F(PrivateSocket, WhatCannotBeReadBesideTheEndOfTheAuthenticationEndsTheConnection) {
    const std::string no_message(64, 'x');
    const posix::Fd client = bare_client(server.socket(), no_message);
    const timeval patience{10, 0};
    posix::check(::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
                 "patience");
    char answer[1024];
    ssize_t got = 0;
    while ((got = ::recv(client.get(), answer, sizeof(answer), 0)) > 0) {
    }
    EXPECT_EQ(got, 0) << std::strerror(errno);
}

TEST_F(PrivateSocket, OfALivingManagerIsRefusedAndOfADeadOneReplaced) {
    sd_event* made = nullptr;
    posix::check_sd(sd_event_new(&made), "loop");
    const posix::EventPtr loop{made};
    Board board{made};
    EXPECT_THROW((Bus{made, board, Options{.socket = server.socket(), .address = {}}}),
                 std::system_error);
    Client client{server.address()};
    EXPECT_EQ(client.call("Stats", "").error, "");

    const Folder folder;
    bind_and_leave(folder / "bus");
    const Bus replaced{made, board, Options{.socket = folder / "bus", .address = {}}};
    struct stat file {};
    ASSERT_EQ(::stat((folder / "bus").c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0666U);
}

}  // namespace
}  // namespace reeve::bus::test
