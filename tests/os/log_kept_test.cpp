// What a keeper holds of Logs, and how the next Logs goes on with it.
#include <fcntl.h>

#include <map>
#include <string>

#include "tests/os/support/log_bench.hpp"

namespace reeve::os {
namespace {

// Holds what a keeper would, by name: "1 7 1" is unit, run, kind.
class Kept {
public:
    Logs::Options options(const std::string& directory = {}) {
        Logs::Options options{.directory = directory};
        options.keep = [this](core::UnitId unit, core::RunId run, init::Kind kind, int fd) {
            held[name(unit, run, kind)] = posix::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
        };
        options.drop = [this](core::UnitId unit, core::RunId run, init::Kind kind) {
            EXPECT_EQ(held.erase(name(unit, run, kind)), 1U) << name(unit, run, kind);
        };
        return options;
    }
    [[nodiscard]] posix::Fd give(const std::string& what) const {
        return posix::Fd{::fcntl(held.at(what).get(), F_DUPFD_CLOEXEC, 3)};
    }
    [[nodiscard]] std::string names() const {
        std::string all;
        for (const auto& [what, fd] : held) all += what + ", ";
        return all;
    }
    std::map<std::string, posix::Fd> held;

private:
    static std::string name(core::UnitId unit, core::RunId run, init::Kind kind) {
        return std::to_string(static_cast<std::uint32_t>(unit)) + " " +
               std::to_string(static_cast<std::uint64_t>(run)) + " " +
               std::to_string(static_cast<int>(kind));
    }
};

TEST(LogsKept, WhatComesAndGoesIsTold) {
    Kept kept;
    Loop loop;
    Logs logs{loop, kept.options()};
    auto pipes = logs.begin_run(web, "web", core::RunId{7}, {});
    EXPECT_EQ(kept.names(), "1 7 1, 1 7 2, ");
    put(pipes.out, "x\n");
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 1, 1 7 2, ");
    posix::Fd left{::dup(pipes.err)};
    logs.end_run(web);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 2, ") << "somebody still has its stderr";
    left = {};
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, ");
    logs.begin_run(web, "web", core::RunId{8}, {});
    logs.forget(web);
    EXPECT_EQ(kept.names(), "");
}

TEST(LogsKept, ARunInProgressGoesOnWithTheNextOne) {
    Kept kept;
    Loop loop;
    posix::Fd child;
    posix::Fd former;
    {
        Logs logs{loop, kept.options()};
        former = posix::Fd{::dup(logs.begin_run(web, "web", core::RunId{6}, {}).err)};
        logs.end_run(web);
        const auto pipes = logs.begin_run(web, "web", core::RunId{7}, {});
        child = posix::Fd{::dup(pipes.out)};
        put(child.get(), "one\ntw");
        settle(loop);
    }
    put(child.get(), "o\n");
    Logs logs{loop, kept.options()};
    ASSERT_TRUE(logs.adopt_ring(web, "web", {}, kept.give("1 0 3")));
    logs.adopt_pipe(web, "web", {}, core::RunId{6}, LogStream::err, kept.give("1 6 2"));
    logs.adopt_pipe(web, "web", {}, core::RunId{7}, LogStream::out, kept.give("1 7 1"));
    logs.adopt_pipe(web, "web", {}, core::RunId{7}, LogStream::err, kept.give("1 7 2"));
    logs.adopt_run(web, "web", core::RunId{7}, {});
    const auto pipes = logs.pipes(web);
    ASSERT_GE(pipes.out, 0);
    ASSERT_GE(pipes.err, 0);
    EXPECT_EQ(::fcntl(pipes.out, F_GETFL) & O_NONBLOCK, 0) << "as a child expects it";
    EXPECT_NE(::fcntl(pipes.out, F_GETFD) & FD_CLOEXEC, 0);
    settle(loop);
    put(former.get(), "late\n");
    settle(loop);
    put(pipes.err, "three\n");
    logs.end_run(web);
    EXPECT_EQ(timeless(contents(logs.read({}))),
              "web[7] one\nweb[7] two\nweb[6] late\nweb[7] three\n");
    EXPECT_EQ(kept.names(), "1 0 3, 1 6 2, 1 7 1, ") << "child and former are still open";
    child = {};
    former = {};
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, ");
}

// A program that closes its outputs ends nothing: what the run starts later has them.
TEST(LogsKept, APipeThatNobodyHoldsIsHeldForTheRun) {
    Kept kept;
    Loop loop;
    {
        Logs logs{loop, kept.options()};
        logs.begin_run(web, "web", core::RunId{7}, {});
    }
    const Told told;
    Logs logs{loop, kept.options()};
    for (const auto& [stream, name] :
         {std::pair{LogStream::out, "1 7 1"}, std::pair{LogStream::err, "1 7 2"}})
        logs.adopt_pipe(web, "web", {}, core::RunId{7}, stream, kept.give(name));
    logs.adopt_run(web, "web", core::RunId{7}, {});
    settle(loop);
    EXPECT_EQ(kept.names(), "1 0 3, 1 7 1, 1 7 2, ");
    put(logs.pipes(web).err, "x\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[7] x\n");
    EXPECT_EQ(told.count("no stderr pipe"), 0U);
    logs.end_run(web);
    EXPECT_EQ(kept.names(), "1 0 3, ");
}

TEST(LogsKept, APipeThatWasNotKeptIsMadeAnewAndSaid) {
    Kept kept;
    Loop loop;
    const Told told;
    Logs logs{loop, kept.options()};
    logs.adopt_run(web, "web", core::RunId{7}, {});
    const auto pipes = logs.pipes(web);
    EXPECT_EQ(told.count("no stdout pipe of run 7"), 1U);
    EXPECT_EQ(kept.names(), "1 7 1, 1 7 2, ");
    put(pipes.out, "x\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[7] x\n");
}

TEST(LogsKept, ARingOfOtherSizesIsDropped) {
    Kept kept;
    Loop loop;
    {
        Logs logs{loop, kept.options()};
        put(logs.begin_run(web, "web", core::RunId{7}, {}).out, "x\n");
        settle(loop);
    }
    units::LogSpec larger;
    larger.ring = 64 << 10;
    Logs logs{loop, kept.options()};
    EXPECT_FALSE(logs.adopt_ring(web, "web", larger, kept.give("1 0 3")));
    EXPECT_EQ(kept.names().find("1 0 3"), std::string::npos);
    put(logs.begin_run(web, "web", core::RunId{8}, larger).out, "y\n");
    settle(loop);
    EXPECT_EQ(timeless(contents(logs.read({}))), "web[8] y\n");
    EXPECT_TRUE(kept.held.contains("1 0 3"));
}

}  // namespace
}  // namespace reeve::os
