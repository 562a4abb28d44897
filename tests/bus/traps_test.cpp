// Traps of the field that have to do with the bus; docs/traps.md has them all.
#include <gtest/gtest.h>

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "tests/bus/support/bus_daemon.hpp"
#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

using namespace std::chrono_literals;

bool is_long() {
    const char* const value = std::getenv("REEVE_LONG");
    return value != nullptr && std::string_view{value} == "1";
}

// dbus-daemon killed, frozen, restarted, in any order: no unit is touched, the private socket
// answers throughout, the loop never waits, and the name comes back by itself.
TEST(Trap13, BusDaemonKilledFrozenRestarted) {
    const int rounds = is_long() ? 1'000 : 15;
    // A single turn of the loop that slept longer than this waited for somebody.
    constexpr auto longest_wait = 50ms;
    constexpr auto name_back_within = 2'000ms;  // 200 ms, judged tenfold

    BusDaemon daemon;
    daemon.start();
    Server server{{.address = daemon.address(), .system = false, .owner = ::geteuid()}};
    server.on_loop([](Board& board, Bus&) {
        board.define({service("web")});
        board.tell(core::StartRequest{{}, "web"});
    });
    const auto has_name = [&] {
        return server.on_loop([](Board&, Bus& bus) { return bus.on_message_bus(); });
    };
    ASSERT_TRUE(eventually(has_name));
    Client direct{server.address()};
    std::mt19937 random{7};
    std::chrono::microseconds slowest_name{0}, slowest_answer{0};
    const auto ask_directly = [&](int round) {
        const auto begin = std::chrono::steady_clock::now();
        ASSERT_EQ(
            direct.call("SetEvent", "sa{sv}", ("e" + std::to_string(round % 7)).c_str(), 0U).error,
            "");
        slowest_answer =
            std::max(slowest_answer, std::chrono::duration_cast<std::chrono::microseconds>(
                                         std::chrono::steady_clock::now() - begin));
    };

    server.reset_worst_wait();
    for (int round = 0; round < rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        switch (random() % 3) {
            case 0:  // killed, and away for a moment
                daemon.kill();
                ask_directly(round);
                daemon.start();
                break;
            case 1:  // frozen with a client that calls us through it, then killed
                daemon.freeze();
                for (int i = 0; i < 20; ++i) ask_directly(round + i);
                daemon.kill();
                daemon.start();
                break;
            case 2:  // frozen and thawed
                daemon.freeze();
                for (int i = 0; i < 20; ++i) ask_directly(round + i);
                daemon.thaw();
                break;
        }
        const auto begin = std::chrono::steady_clock::now();
        ASSERT_TRUE(eventually(has_name, name_back_within));
        slowest_name = std::max(slowest_name, std::chrono::duration_cast<std::chrono::microseconds>(
                                                  std::chrono::steady_clock::now() - begin));
        ask_directly(round);
    }
    EXPECT_LT(server.worst_wait(), longest_wait);
    EXPECT_EQ(direct.property("/org/reeve1/unit/web", "org.reeve1.Unit", "State"), "up");
    std::uint64_t runs = 0;
    sd_bus_error error{};
    ASSERT_GE(sd_bus_get_property_trivial(direct.bus(), nullptr, "/org/reeve1/unit/web",
                                          "org.reeve1.Unit", "Run", &error, 't', &runs),
              0);
    EXPECT_EQ(runs, 1U);
    const auto ms = [](std::chrono::microseconds time) {
        return std::to_string(static_cast<double>(time.count()) / 1000.0);
    };
    RecordProperty("name_back_ms", ms(slowest_name));
    RecordProperty("answer_ms", ms(slowest_answer));
    RecordProperty("turn_wait_ms", ms(server.worst_wait()));
    std::printf(
        "%d rounds: name back within %s ms, private socket within %s ms, longest wait of "
        "the loop %s ms\n",
        rounds, ms(slowest_name).c_str(), ms(slowest_answer).c_str(),
        ms(server.worst_wait()).c_str());
}

// A subscriber that never reads is dropped, those who read are told everything that counts, and
// memory stays flat.
TEST(Trap14, SubscriberThatNeverReads) {
    const unsigned subscribers = is_long() ? 100 : 10;
    const unsigned changes = is_long() ? 200'000 : 2'000;

    Server server;
    server.on_loop([](Board& board, Bus&) {
        board.define({service("web")});
        board.tell(core::StartRequest{{}, "web"});
    });
    const auto stats = [&] { return server.on_loop([](Board&, Bus& bus) { return bus.stats(); }); };
    const auto clients = [&] { return stats().clients; };
    Client good{server.address()};
    std::vector<posix::Fd> bad;
    for (unsigned i = 0; i < subscribers; ++i) bad.push_back(bare_client(server.socket()));
    ASSERT_TRUE(eventually([&] { return clients() == subscribers + 1; }));

    std::size_t most = 0;
    const std::size_t before = ::mallinfo2().uordblks;
    for (unsigned i = 0; i < changes; ++i) {
        // Each change is told by itself; the good client reads as it goes.
        const auto told = server.on_loop([i](Board& board, Bus& bus) {
            board.tell(core::EventRequest{{}, "e", i % 2 == 0});
            return bus.stats().signals;
        });
        while (stats().signals == told) {
        }
        if (i % 100 == 0) {
            most = std::max(most, ::mallinfo2().uordblks);
            while (sd_bus_process(good.bus(), nullptr) > 0) {
            }
        }
    }
    EXPECT_EQ(clients(), 1U);
    EXPECT_EQ(good.call("Stats", "").error, "");
    while (sd_bus_process(good.bus(), nullptr) > 0) {
    }
    // Each may make 1,024 messages of less than 1.5 KiB wait before it is dropped.
    EXPECT_LT(most - before, (subscribers + 1) * 1'024U * 1'536U);
    const std::size_t after = ::mallinfo2().uordblks;
    EXPECT_LT(after, before + 1024 * 1024);
    std::printf("%u changes to %u subscribers that do not read: at most %zu KiB, %zu KiB after\n",
                changes, subscribers, (most - before) / 1024,
                after > before ? (after - before) / 1024 : 0);
}

// Many changes of one unit within a turn are one signal.
TEST(Trap14, ChangesOfOneTurnAreOneSignal) {
    Server server;
    server.on_loop([](Board& board, Bus&) { board.define({service("web")}); });
    Client client{server.address()};
    server.on_loop([](Board& board, Bus&) {
        for (int i = 0; i < 100; ++i) {
            board.tell(core::StartRequest{{}, "web"});
            board.tell(core::StopRequest{{}, "web"});
        }
        board.tell(core::StartRequest{{}, "web"});
        board.tell(core::EventRequest{{}, "last", true});
    });
    unsigned signals = 0;
    while (true) {
        sd_bus_message* message = nullptr;
        const int result = posix::check_sd(sd_bus_process(client.bus(), &message), "process");
        const posix::MessagePtr owned{message};
        if (message != nullptr && sd_bus_message_is_signal(message, nullptr, "UnitChanged") > 0) {
            ++signals;
        }
        if (message != nullptr && sd_bus_message_is_signal(message, nullptr, "EventChanged") > 0) {
            break;
        }
        if (result == 0) {
            ASSERT_GT(posix::check_sd(sd_bus_wait(client.bus(), 5'000'000), "wait"), 0);
        }
    }
    EXPECT_EQ(signals, 1U);
}

// However much there is to tell, a request that has come is served before the most of it.
TEST(Trap14, ARequestDoesNotWaitForAllSignals) {
    constexpr unsigned many = 1'000, listeners = 5, requests = 200;
    Server server;
    std::vector<std::unique_ptr<Client>> all;
    for (unsigned i = 0; i < listeners; ++i)
        all.push_back(std::make_unique<Client>(server.address()));
    Client asks{server.address()};
    EXPECT_EQ(asks.call("Stats", "").error, "");
    std::vector<std::uint64_t> sent;  // signals, when each request was served
    server.on_loop([&](Board& board, Bus& bus) {
        std::vector<units::UnitPtr> units;
        for (unsigned i = 0; i < many; ++i) units.push_back(service("unit" + std::to_string(i)));
        board.define(std::move(units));
        board.on_stats = [&] { sent.push_back(bus.stats().signals); };
        for (unsigned i = 0; i < many; ++i)
            board.tell(core::StartRequest{{}, "unit" + std::to_string(i)});
        for (unsigned i = 0; i < requests; ++i) asks.send("Stats", "");
    });
    EXPECT_TRUE(eventually(
        [&] { return server.on_loop([&](Board&, Bus&) { return sent.size() == requests; }); }));
    std::uint64_t most = 0, before = 0;
    for (const std::uint64_t each : sent) most = std::max(most, each - std::exchange(before, each));
    EXPECT_LT(most, many * listeners);  // all are more than twice as many
    const auto told = [&] {
        return server.on_loop([](Board&, Bus& bus) { return bus.stats().signals; });
    };
    EXPECT_TRUE(eventually([&] { return told() >= std::uint64_t{2} * many * listeners; }));
}

// A client that asks and asks and never reads the answers is dropped as well, before the answers
// fill the memory.
TEST(Trap14, CallerThatNeverReadsItsAnswers) {
    Server server;
    server.on_loop([](Board& board, Bus&) {
        std::vector<units::UnitPtr> units;
        for (int i = 0; i < 10; ++i) units.push_back(service("unit" + std::to_string(i)));
        board.define(std::move(units));
    });
    const auto clients = [&] {
        return server.on_loop([](Board&, Bus& bus) { return bus.stats().clients; });
    };
    Client client{server.address()};
    ASSERT_TRUE(eventually([&] { return clients() == 1; }));
    EXPECT_THROW(
        {
            for (int i = 0; i < 100'000; ++i) client.send("Describe", "asa{sv}", 0U, 0U);
        },
        std::system_error);  // EPIPE, ECONNRESET: dropped
    EXPECT_TRUE(eventually([&] { return clients() == 0; }));
}

// All units change at once: whoever reads gets it all, though it is more than may wait for long.
TEST(Trap14, OneBurstIsHeldAgainstNobody) {
    constexpr int many = 2'000;
    Server server;
    Client client{server.address()};
    server.on_loop([](Board& board, Bus&) {
        std::vector<units::UnitPtr> units;
        for (int i = 0; i < many; ++i) units.push_back(service("unit" + std::to_string(i)));
        board.define(std::move(units));
        for (int i = 0; i < many; ++i) {
            board.tell(core::StartRequest{{}, "unit" + std::to_string(i)});
        }
    });
    server.on_loop([](Board& board, Bus&) { board.tell(core::EventRequest{{}, "after", true}); });
    for (int i = 0; i < many; ++i) ASSERT_NE(client.signal("UnitChanged"), nullptr) << i;
    EXPECT_NE(client.signal("EventChanged"), nullptr);
}

}  // namespace
}  // namespace reeve::bus::test
