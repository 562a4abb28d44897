// Traps of the field about starting processes; the numbers are those of docs/traps.md.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "daemon/os/process_tree.hpp"
#include "tests/os/support/children_bench.hpp"

namespace reeve::os {
namespace {

using testing::ChildrenBench;
using testing::scale;

// The child dies before its parent has noted it, or never becomes what it should: each start of
// a missing, a forbidden and an instantly ending program is told of as exactly what it was.
TEST(Trap01, EveryFailedStartNamesStageAndErrorAndNoneCountsAsStarted) {
    struct Kind {
        const char* program;
        int error;  // 0: starts, and ends with code 0 at once
    };
    const Kind kinds[] = {
        {"/nonexistent/program", ENOENT}, {"/etc/passwd", EACCES}, {"/bin/true", 0}};
    ChildrenBench b;
    const int total = scale(300, 10'000);
    std::map<core::ProcessRef, Kind> expected;
    std::map<core::ProcessRef, int> started, refused, ended;
    b.on_news = [&](const ChildNews& news) {
        if (const auto* s = std::get_if<Started>(&news)) {
            EXPECT_EQ(expected.at(s->process).error, 0);
            ++started[s->process];
        } else if (const auto* n = std::get_if<NotStarted>(&news)) {
            EXPECT_EQ(n->error, expected.at(n->process).error);
            EXPECT_EQ(n->stage, SpawnStage::exec);
            ++refused[n->process];
        } else if (const auto* e = std::get_if<Ended>(&news)) {
            EXPECT_EQ(started[e->process], 1) << "the end came before the start";
            EXPECT_EQ(e->status, core::ExitStatus{});
            ++ended[e->process];
        } else {
            ADD_FAILURE() << "news of kind " << news.index();
        }
    };
    for (int i = 0; i < total; ++i) {
        const Kind& kind = kinds[i % 3];
        const core::ProcessRef next{core::UnitId{b.last + 1}, core::RunId{b.last + 1}, 0};
        expected[next] = kind;
        EXPECT_EQ(b.start({kind.program}), next);
    }
    const auto done = [&] {
        return refused.size() + ended.size() == expected.size() &&
               b.children.stats().reaped == expected.size();
    };
    EXPECT_TRUE(b.turn(done, std::chrono::seconds{100}));
    for (const auto& [process, kind] : expected) {
        EXPECT_EQ(refused[process], kind.error == 0 ? 0 : 1);
        EXPECT_EQ(ended[process], kind.error == 0 ? 1 : 0);
    }
    EXPECT_EQ(b.children.stats().orphans, 0U);
}

std::set<int> open_descriptors(const std::string& process) {
    std::set<int> open;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + process + "/fd"}) {
        open.insert(std::stoi(entry.path().filename().string()));
    }
    return open;
}

// Descriptors leak into children, or are lost or closed twice in the manager.
TEST(Trap17, ChildSeesExactlyItsDescriptorsAndOurNumberOfThemStaysFlat) {
    // Somebody's careless descriptors, below and above the window, not close-on-exec.
    int careless[2];
    ASSERT_EQ(::pipe(careless), 0);
    const int high = ::fcntl(careless[0], F_DUPFD, 500);
    {
        ChildrenBench b;
        SpawnPlan plan;
        plan.argv = {"/bin/sleep", "60"};
        const auto plain = b.start(plan);
        plan.extra = careless[1];
        plan.extra_as = 7;
        plan.out = careless[1];
        const auto extra = b.start(std::move(plan));
        b.wait<Started>(plain);
        b.wait<Started>(extra);
        // Its own loader opens some more for a moment.
        const auto has_only = [&](core::ProcessRef process, const std::set<int>& declared) {
            const std::string pid = std::to_string(b.children.pid_of(process));
            return b.turn([&] { return open_descriptors(pid) == declared; });
        };
        EXPECT_TRUE(has_only(plain, {0, 1, 2}));
        EXPECT_TRUE(has_only(extra, {0, 1, 2, 7}));
        b.children.signal(plain, SIGKILL);
        b.children.signal(extra, SIGKILL);
        b.wait<Ended>(plain);
        b.wait<Ended>(extra);

        const auto before = open_descriptors("self");
        const int cycles = scale(200, 100'000);
        for (int i = 0; i < cycles; ++i) {
            SpawnPlan next;
            next.argv = {i % 4 == 0 ? "/nonexistent" : "/bin/true"};
            next.out = careless[1];
            const auto process = b.start(std::move(next));
            ASSERT_TRUE(b.turn([&] {
                return b.find<Ended>(process) != nullptr || b.find<NotStarted>(process) != nullptr;
            }));
            b.told.clear();
        }
        EXPECT_TRUE(b.turn(
            [&] { return b.children.stats().reaped == static_cast<std::uint64_t>(cycles) + 2; }));
        EXPECT_EQ(open_descriptors("self"), before);
    }
    for (const int fd : {careless[0], careless[1], high}) EXPECT_EQ(::close(fd), 0);
}

std::string status_field(pid_t pid, const std::string& field) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    std::string word;
    while (status >> word) {
        if (word == field + ":") return status >> word ? word : "";
    }
    return "no such field";
}

// The manager blocks signals, ignores some and handles others; it may sit on a terminal and have
// an environment of its own. None of it reaches a child.
TEST(Trap23, ChildHasCleanSignalsItsOwnSessionAndTheDeclaredEnvironment) {
    const auto ignored_before = ::signal(SIGHUP, SIG_IGN);
    const auto handled_before = ::signal(SIGWINCH, [](int) {});
    ::setenv("LEAKED", "yes", 1);
    {
        ChildrenBench b;
        ::signal(SIGPIPE, SIG_IGN);  // as the manager does, and at any time
        SpawnPlan plan;
        plan.argv = {"/bin/sleep", "60"};
        plan.env = {"A=1", "B=two words"};
        const auto process = b.start(std::move(plan));
        ASSERT_NE(b.wait<Started>(process), nullptr);
        const pid_t pid = b.children.pid_of(process);
        const std::string none(16, '0');
        EXPECT_EQ(status_field(pid, "SigBlk"), none);
        EXPECT_EQ(status_field(pid, "SigIgn"), none);
        EXPECT_EQ(status_field(pid, "SigCgt"), none);
        EXPECT_EQ(status_field(pid, "Umask"), "0022");
        EXPECT_EQ(process_info(pid).session, pid);
        EXPECT_EQ(::getpgid(pid), pid);
        // Started is told when the old memory is gone, a moment before the new one is filled.
        std::string environment;
        EXPECT_TRUE(b.turn([&] {
            std::ostringstream text;
            text << std::ifstream{"/proc/" + std::to_string(pid) + "/environ"}.rdbuf();
            environment = text.str();
            return !environment.empty();
        }));
        EXPECT_EQ(environment, std::string("A=1\0B=two words\0", 16));
        EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd"), "/");
        EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/fd/0"),
                  "/dev/null");
        b.children.signal(process, SIGKILL);
        b.wait<Ended>(process);
    }
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGHUP, ignored_before);
    ::signal(SIGWINCH, handled_before);
    ::unsetenv("LEAKED");
}

}  // namespace
}  // namespace reeve::os
