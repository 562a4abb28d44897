// Requests outlive the manager: what was saved and recorded gives the same state, and who asks
// again with an id gets the one answer.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>

#include "daemon/bus/requests.hpp"
#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

// What the next manager gets from a dead one.
struct Legacy {
    std::vector<units::UnitPtr> definitions;
    std::string core;
    std::string requests;
    std::vector<std::string> records;
};

// A manager that writes down all it records.
class Recorded {
public:
    Recorded()
        : server{{.record = [this](std::string bytes) { records.push_back(std::move(bytes)); }}} {
        auto gated = std::const_pointer_cast<units::UnitFile>(service("gated"));
        gated->predicates.edit().gate.push_back({units::Predicate::Kind::event, false, "go", {}});
        definitions = {service("web"), gated};
        server.on_loop([&](Board& board, Bus& bus) {
            board.define(definitions);
            snapshot = bus.save();
        });
    }
    Legacy legacy() {
        return server.on_loop([&](Board& board, Bus&) {
            return Legacy{definitions, board.engine().save(), snapshot, records};
        });
    }
    std::string state() {
        return server.on_loop([](Board&, Bus& bus) { return bus.save(); });
    }
    void compact() {
        server.on_loop([&](Board&, Bus& bus) {
            snapshot = bus.save();
            records.clear();
        });
    }
    std::size_t pending() {
        return server.on_loop([](Board&, Bus& bus) { return bus.stats().pending; });
    }

    std::vector<units::UnitPtr> definitions;
    std::string snapshot;
    std::vector<std::string> records;
    Server server;
};

// The next manager, on the address it had.
void take_over(Server& server, const Legacy& legacy) {
    server.on_loop([&](Board& board, Bus& bus) {
        board.take_over(legacy.definitions, legacy.core);
        bus.load(legacy.requests);
        for (const std::string& record : legacy.records) bus.replay(record);
    });
}

template <class Request>
std::size_t asked(Server& server) {
    return server.on_loop([](Board& board, Bus&) { return board.asked<Request>().size(); });
}

std::vector<core::RequestId> awaited(Server& server) {
    return server.on_loop([](Board& board, Bus&) { return board.engine().awaited(); });
}

// One of many things a client may do. Those that wait are sent; the others are answered.
void act(Recorded& manager, std::unique_ptr<Client>& client, unsigned what, const std::string& id) {
    const auto with_id = [&](const char* method, const char* name) {
        return client->call(method, "sa{sv}", name, 1U, "id", "s", id.c_str());
    };
    const std::size_t before = manager.pending();
    switch (what) {
        case 0: with_id("Restart", "web"); return;
        case 1: with_id("SetEvent", "go"); return;
        case 2: with_id("ClearEvent", "go"); return;
        case 3: client->call("Start", "sa{sv}", "none", 1U, "id", "s", id.c_str()); return;
        case 4: client->call("Stop", "sa{sv}", "gated", 0U); return;
        case 5: client->call("Wait", "asa{sv}", 1U, "gated", 1U, "id", "s", id.c_str()); return;
        case 6: client->call("Apply", "a{sv}", 1U, "id", "s", id.c_str()); return;
        case 7: client->send("Start", "sa{sv}", "gated", 1U, "id", "s", id.c_str()); break;
        case 8: client->send("WaitEvent", "sa{sv}", "go", 1U, "id", "s", id.c_str()); break;
        case 9: client->send("WaitEvent", "sa{sv}", "go", 0U); break;
        case 10: manager.compact(); return;
        default:  // leaves; another comes
            client = std::make_unique<Client>(manager.server.address());
            return;
    }
    // Taken when what is asked next has an answer: one connection keeps the order.
    client->property("/org/reeve1", "org.reeve1.Manager", "Version");
    RC_ASSERT(manager.pending() <= before + 1);
}

TEST(RequestsMemory, ReplayedAreAsTheyWereAtAnyMoment) {
    const bool good = rc::check([] {
        Recorded manager;
        auto client = std::make_unique<Client>(manager.server.address());
        const double share = std::getenv("REEVE_LONG") != nullptr ? 1.0 : 0.3;
        const auto steps = *rc::gen::scale(
            share, rc::gen::container<std::vector<std::pair<unsigned, unsigned>>>(
                       rc::gen::pair(rc::gen::inRange(0U, 12U), rc::gen::inRange(0U, 6U))));
        for (const auto& [what, id] : steps) act(manager, client, what, "id" + std::to_string(id));
        manager.server.on_loop([&](Board& board, Bus& bus) {
            reeve::bus::Requests next{board};
            next.load(manager.snapshot);
            for (const std::string& record : manager.records) next.replay(record);
            RC_ASSERT(next.save() == bus.save());
            reeve::bus::Requests copy{board};
            copy.load(bus.save());
            RC_ASSERT(copy.save() == bus.save());
        });
    });
    EXPECT_TRUE(good);
}

// "Journaled under the caller's id before anything happens;"
TEST(RequestsMemory, AskedAgainWithTheirIdGetTheOneAnswer) {
    Legacy legacy;
    std::uint64_t first = 0;
    {
        Recorded manager;
        Client client{manager.server.address()};
        const Answered answer = client.call("Restart", "sa{sv}", "web", 1U, "id", "s", "done");
        ASSERT_EQ(answer.error, "") << answer.text;
        ASSERT_GE(sd_bus_message_read(answer.reply.get(), "st", nullptr, &first), 0);
        client.send("Start", "sa{sv}", "gated", 1U, "id", "s", "waits");
        ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
        legacy = manager.legacy();
    }
    Server next;
    take_over(next, legacy);
    next.on_loop([](Board&, Bus& bus) { bus.resume(); });

    Client client{next.address()};
    const Answered answer = client.call("Restart", "sa{sv}", "web", 1U, "id", "s", "done");
    ASSERT_EQ(answer.error, "") << answer.text;
    std::uint64_t run = 0;
    ASSERT_GE(sd_bus_message_read(answer.reply.get(), "st", nullptr, &run), 0);
    EXPECT_EQ(run, first);
    EXPECT_EQ(asked<core::RestartRequest>(next), 0U);

    client.send("SetEvent", "sa{sv}", "go", 0U);
    EXPECT_EQ(client.call("Start", "sa{sv}", "gated", 1U, "id", "s", "waits").error, "");
    EXPECT_EQ(asked<core::StartRequest>(next), 0U);
    EXPECT_EQ(client.property("/org/reeve1/unit/gated", "org.reeve1.Unit", "State"), "up");
}

TEST(RequestsMemory, AnsweredWhileTheClientIsAwayKeepTheAnswer) {
    Legacy legacy;
    {
        Recorded manager;
        Client client{manager.server.address()};
        client.send("WaitEvent", "sa{sv}", "go", 1U, "id", "s", "a");
        ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
        legacy = manager.legacy();
    }
    Server next;
    take_over(next, legacy);
    next.on_loop([](Board&, Bus& bus) { bus.resume(); });
    Client other{next.address()};
    ASSERT_EQ(other.call("SetEvent", "sa{sv}", "go", 0U).error, "");
    ASSERT_EQ(other.call("ClearEvent", "sa{sv}", "go", 0U).error, "");
    EXPECT_EQ(other.call("WaitEvent", "sa{sv}", "go", 1U, "id", "s", "a").error, "");
}

TEST(RequestsMemory, WithoutAnIdAreCancelledWithTheirManager) {
    Legacy legacy;
    {
        Recorded manager;
        Client client{manager.server.address()};
        client.send("WaitEvent", "sa{sv}", "go", 0U);
        client.send("WaitEvent", "sa{sv}", "go", 1U, "id", "s", "keep");
        ASSERT_TRUE(eventually([&] { return manager.pending() == 2; }));
        legacy = manager.legacy();
    }
    Server next;
    take_over(next, legacy);
    EXPECT_EQ(awaited(next).size(), 2U);
    next.on_loop([](Board&, Bus& bus) { bus.resume(); });
    EXPECT_EQ(awaited(next).size(), 1U);
    EXPECT_EQ(next.on_loop([](Board&, Bus& bus) { return bus.stats().pending; }), 1U);
}

// The manager died after the record and before the core heard of it.
TEST(RequestsMemory, ThatNeverReachedTheCoreAreCarriedOutWhenAskedAgain) {
    Legacy legacy;
    {
        Recorded manager;
        legacy.definitions = manager.definitions;
        legacy.core = manager.legacy().core;
        Client client{manager.server.address()};
        client.send("Start", "sa{sv}", "gated", 1U, "id", "s", "a");
        ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
        const Legacy later = manager.legacy();
        legacy.requests = later.requests;
        legacy.records = later.records;
    }
    std::vector<std::string> records;
    std::string snapshot;
    Server next{{.record = [&](std::string bytes) { records.push_back(std::move(bytes)); }}};
    take_over(next, legacy);
    next.on_loop([&](Board& board, Bus& bus) {
        snapshot = bus.save();
        bus.resume();
        board.tell(core::EventRequest{{}, "go", true});
    });
    Client client{next.address()};
    EXPECT_EQ(client.call("Start", "sa{sv}", "gated", 1U, "id", "s", "a").error, "");
    EXPECT_EQ(asked<core::StartRequest>(next), 1U);
    next.on_loop([&](Board& board, Bus& bus) {
        reeve::bus::Requests third{board};
        third.load(snapshot);
        for (const std::string& record : records) third.replay(record);
        EXPECT_EQ(third.save(), bus.save());
    });
}

// It died between its record that nobody waits and telling the core so.
TEST(RequestsMemory, CancelledHalfWayAreCancelledInTheCoreToo) {
    Legacy legacy;
    {
        Recorded manager;
        {
            Client client{manager.server.address()};
            client.send("WaitEvent", "sa{sv}", "go", 0U);
            ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
            legacy = manager.legacy();
        }
        ASSERT_TRUE(eventually([&] { return manager.pending() == 0; }));
        legacy.records = manager.legacy().records;
    }
    Server next;
    take_over(next, legacy);
    EXPECT_EQ(awaited(next).size(), 1U);
    next.on_loop([](Board&, Bus& bus) { bus.resume(); });
    EXPECT_EQ(awaited(next).size(), 0U);
}

TEST(RequestsMemory, OfWhatIsGoneByNowAreAnsweredAsBefore) {
    Recorded manager;
    Client client{manager.server.address()};
    const auto run = [&] {
        return client.call("Run", "sa{sv}a{sv}", "job", 1U, "command", "as", 1U, "/bin/true", 1U,
                           "id", "s", "run");
    };
    const auto forget = [&] {
        return client.call("Forget", "sa{sv}", "job", 1U, "id", "s", "forget").error;
    };
    ASSERT_EQ(run().error, "");
    manager.server.on_loop([](Board& board, Bus&) { board.end("job", {}); });
    ASSERT_EQ(client.call("Wait", "asa{sv}", 1U, "job", 1U, "id", "s", "wait").error, "");
    ASSERT_EQ(forget(), "");
    EXPECT_EQ(forget(), "");
    EXPECT_EQ(run().error, "");
    EXPECT_EQ(client.call("Wait", "asa{sv}", 1U, "job", 1U, "id", "s", "wait").error, "");
    EXPECT_EQ(client.call("Wait", "asa{sv}", 1U, "job", 0U).error, "org.reeve1.Error.NoSuchUnit");
}

TEST(RequestsMemory, WhatIsNotTheirsIsRefusedAndChangesNothing) {
    Recorded manager;
    Client client{manager.server.address()};
    ASSERT_EQ(client.call("Restart", "sa{sv}", "web", 1U, "id", "s", "a").error, "");
    client.send("WaitEvent", "sa{sv}", "go", 1U, "id", "s", "b");
    ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
    const Legacy legacy = manager.legacy();
    const std::string state = manager.state();
    manager.server.on_loop([&](Board& board, Bus&) {
        reeve::bus::Requests next{board};
        next.load(state);
        for (std::size_t size = 0; size < state.size(); ++size) {
            EXPECT_THROW(next.load(state.substr(0, size)), std::invalid_argument);
        }
        // Out of order, or twice.
        EXPECT_THROW(next.replay(legacy.records.front()), std::invalid_argument);
        EXPECT_THROW(next.replay("nonsense"), std::invalid_argument);
        EXPECT_EQ(next.save(), state);
    });
}

// ── re-exec ────────────────────────────────────────────────────────────────────────────────────

TEST(ReExec, IsAnsweredByTheManagerThatComes) {
    Legacy legacy;
    const auto ask = [](Client& client) {
        return client.call("ReExec", "sa{sv}", "/new", 1U, "id", "s", "a");
    };
    {
        Recorded manager;
        Client client{manager.server.address()};
        client.send("ReExec", "sa{sv}", "/new", 1U, "id", "s", "a");
        ASSERT_TRUE(eventually([&] { return manager.pending() == 1; }));
        legacy = manager.legacy();
    }
    Server next;
    take_over(next, legacy);
    next.on_loop([](Board&, Bus& bus) {
        bus.came_up_by_reexec();
        bus.resume();
    });
    Client client{next.address()};
    const Answered answer = ask(client);
    ASSERT_EQ(answer.error, "") << answer.text;
    const char* version = nullptr;
    std::uint32_t pid = 0;
    ASSERT_GE(sd_bus_message_read(answer.reply.get(), "su", &version, &pid), 0);
    EXPECT_STREQ(version, REEVE_VERSION);
    EXPECT_EQ(pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(next.on_loop([](Board& board, Bus&) { return board.reexecs.size(); }), 0U);
}

TEST(ReExec, IsRefusedWithTheReason) {
    Server server;
    Client client{server.address()};
    server.on_loop([](Board& board, Bus&) { board.refuses_reexec = "it reads layout 1 only"; });
    const Answered answer = client.call("ReExec", "sa{sv}", "/new", 1U, "id", "s", "a");
    EXPECT_EQ(answer.error, "org.reeve1.Error.Refused");
    EXPECT_EQ(answer.text, "it reads layout 1 only");
    EXPECT_EQ(client.call("ReExec", "sa{sv}", "new", 0U).error, "org.reeve1.Error.InvalidArgument");
}

// ── the socket ─────────────────────────────────────────────────────────────────────────────────

TEST(SocketTakenOver, QueuesClientsWhileNobodyServes) {
    const Folder folder;
    const std::string path = folder / "bus";
    int kept = -1;
    {
        Server server{{.socket = path}};
        kept = server.on_loop([](Board&, Bus& bus) {
            bus.keep_socket();
            return ::dup(bus.listening());
        });
    }
    sockaddr_un address{AF_UNIX, {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const posix::Fd early{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    posix::check(
        ::connect(early.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        "connect");
    Server next{{.socket = path, .listening = kept}};
    EXPECT_TRUE(eventually(
        [&] { return next.on_loop([](Board&, Bus& bus) { return bus.stats().clients == 1; }); }));
}

TEST(SocketTakenOver, IsBoundAnewWhenItsFileIsGone) {
    const Folder folder;
    const std::string path = folder / "bus";
    int kept = -1;
    {
        Server server{{.socket = path}};
        kept = server.on_loop([](Board&, Bus& bus) { return ::dup(bus.listening()); });
    }
    ASSERT_NE(::access(path.c_str(), F_OK), 0);
    Server next{{.socket = path, .listening = kept}};
    Client client{"unix:path=" + path};
    EXPECT_EQ(client.property("/org/reeve1", "org.reeve1.Manager", "Version"), REEVE_VERSION);
}

}  // namespace
}  // namespace reeve::bus::test
