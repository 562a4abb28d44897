// What a child is given, and what is reported when it cannot be given.
#include "daemon/os/spawn_plan.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "tests/os/support/children_bench.hpp"
#include "tests/os/support/pipe.hpp"

namespace reeve::os {
namespace {

using testing::ChildrenBench;
using testing::Pipe;

std::string drain(const posix::Fd& fd) {
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto n = ::read(fd.get(), buffer, sizeof buffer);
        if (n <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(n));
    }
}

SpawnPlan plan_of(const std::string& script) {
    SpawnPlan plan;
    plan.argv = {"/bin/sh", "-c", script};
    plan.env = {"PATH=/usr/bin:/bin"};
    return plan;
}

class Spawn : public ::testing::Test, public ChildrenBench {
protected:
    // What a child writes to its stdout until nobody holds that open.
    std::string output(SpawnPlan plan) {
        Pipe pipe;
        plan.out = pipe.write.get();
        const auto process = start(std::move(plan));
        EXPECT_TRUE(turn([&] { return find<Started>(process) || find<NotStarted>(process); }));
        pipe.write = {};
        const std::string text = drain(pipe.read);
        if (find<Started>(process)) wait<Ended>(process);
        return text;
    }
    std::string output(const std::string& script) { return output(plan_of(script)); }

    NotStarted failure(SpawnPlan plan) {
        const auto* news = wait<NotStarted>(start(std::move(plan)));
        return news != nullptr ? *news : NotStarted{};
    }
};

TEST_F(Spawn, OutputsGoWhereThePlanSays) {
    Pipe out;
    Pipe err;
    SpawnPlan plan = plan_of("cat; echo to-out; echo to-err >&2");  // stdin is at its end
    plan.out = out.write.get();
    plan.err = err.write.get();
    wait<Started>(start(std::move(plan)));
    out.write = {};
    err.write = {};
    EXPECT_EQ(drain(out.read), "to-out\n");
    EXPECT_EQ(drain(err.read), "to-err\n");
}

// The spawn threads hold copies while they start: a pipe must end with its writers all the same.
TEST_F(Spawn, PipeEndsWhenTheChildDoes) {
    for (int i = 0; i < 50; ++i) EXPECT_EQ(output("echo x"), "x\n");
}

TEST_F(Spawn, ExtraDescriptorHasTheNumberThePlanSays) {
    for (const int as : {3, 4, 5, 9, 27, 100, 700}) {
        Pipe extra;
        SpawnPlan plan = plan_of("echo given >/proc/self/fd/" + std::to_string(as));
        plan.extra = extra.write.get();
        plan.extra_as = as;
        const auto process = start(std::move(plan));
        wait<Ended>(process);
        extra.write = {};
        EXPECT_EQ(drain(extra.read), "given\n") << "as " << as;
    }
}

TEST_F(Spawn, UmaskDirectoryAndLimitAreThePlans) {
    EXPECT_EQ(output("umask; pwd"), "0022\n/\n");
    SpawnPlan plan = plan_of("umask; pwd; ulimit -Sn; ulimit -Hn");
    plan.umask = 0077;
    plan.directory = "/usr";
    plan.nofile = 123;
    EXPECT_EQ(output(std::move(plan)), "0077\n/usr\n123\n123\n");
}

// The manager raises its own limit; children see what it was started with.
TEST_F(Spawn, LimitOfOpenFilesIsTheOriginalOne) {
    rlimit before{};
    rlimit lower{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    lower = {200, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    {
        ChildrenBench inner;
        rlimit raised{};
        ::getrlimit(RLIMIT_NOFILE, &raised);
        EXPECT_EQ(raised.rlim_cur, before.rlim_max);
        Pipe pipe;
        SpawnPlan plan = plan_of("ulimit -Sn");
        plan.out = pipe.write.get();
        inner.wait<Started>(inner.start(std::move(plan)));
        pipe.write = {};
        EXPECT_EQ(drain(pipe.read), "200\n");
    }
    rlimit after{};
    ::getrlimit(RLIMIT_NOFILE, &after);
    EXPECT_EQ(after.rlim_cur, 200U);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(Spawn, IdentityIsTakenOnWithExactlyItsGroups) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may become another user";
    SpawnPlan plan = plan_of("id -u; id -g; id -G");
    plan.identity = SpawnPlan::Identity{65534, 12345, {777, 778}};
    EXPECT_EQ(output(std::move(plan)), "65534\n12345\n12345 777 778\n");
    // The kernel makes memory undumpable that is shared with one who changes its user.
    EXPECT_TRUE(turn([&] { return ::prctl(PR_GET_DUMPABLE) == 1; }));
}

TEST_F(Spawn, FailureNamesItsStageAndError) {
    const auto check = [](const NotStarted& news, SpawnStage stage, int error) {
        EXPECT_EQ(to_string(news.stage), to_string(stage));
        EXPECT_EQ(news.error, error);
    };
    SpawnPlan plan = plan_of("exit 0");
    plan.directory = "/nonexistent";
    check(failure(plan), SpawnStage::chdir, ENOENT);

    plan = plan_of("exit 0");
    plan.argv = {"/etc/passwd"};
    check(failure(plan), SpawnStage::exec, EACCES);

    plan = plan_of("exit 0");
    plan.out = 9'999;
    check(failure(plan), SpawnStage::descriptors, EBADF);

    plan = plan_of("exit 0");
    const Pipe pipe;
    plan.extra = pipe.write.get();
    plan.extra_as = 1 << 30;
    check(failure(plan), SpawnStage::descriptors, EBADF);

    plan = plan_of("exit 0");
    plan.nofile = ~rlim_t{0} - 1;  // beyond fs.nr_open
    check(failure(plan), SpawnStage::limits, EPERM);

    plan = plan_of("exit 0");
    plan.cgroup = pipe.read.get();
    check(failure(plan), SpawnStage::cgroup, EBADF);
}

TEST_F(Spawn, SigpipeIsIgnoredOnlyIfThePlanSays) {
    const std::string script = "grep SigIgn /proc/self/status";
    EXPECT_EQ(output(script), "SigIgn:\t0000000000000000\n");
    SpawnPlan plan = plan_of(script);
    plan.ignore_sigpipe = true;
    EXPECT_EQ(output(std::move(plan)), "SigIgn:\t0000000000001000\n");
}

// "`children = false`: the kernel refuses new processes, not threads."
TEST_F(Spawn, WhoIsRefusedChildrenHasThreads) {
    SpawnPlan plan = plan_of("ls 2>/dev/null; echo status $?; exit 0");
    plan.refuse_children = true;
    const std::string refused = output(plan);
    EXPECT_EQ(refused.find("status 0"), std::string::npos) << refused;

    plan.argv = {"/usr/bin/python3", "-c",
                 "import threading, os\n"
                 "t = threading.Thread(target=lambda: print('thread', flush=True))\n"
                 "t.start(); t.join()\n"
                 "try:\n    os.fork()\n"
                 "except PermissionError as e:\n    print('fork', e.errno)\n"};
    EXPECT_EQ(output(std::move(plan)), "thread\nfork 1\n");
}

// As an old seccomp filter of a container does.
void forbid_clone3() {
    sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_clone3},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
    posix::check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    posix::check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

void start_without_clone3() {
    forbid_clone3();
    ChildrenBench b;
    ::signal(SIGUSR1, SIG_IGN);
    const auto good = b.shell("exit 9");
    const auto bad = b.start({"/nonexistent"});
    const auto longer = b.shell(
        "test $(cut -d' ' -f6 /proc/self/stat) = $$ && "
        "grep -q 'SigIgn:.0000000000000000' /proc/self/status && "
        "exec sleep 60");
    b.wait<Ended>(good);
    b.wait<NotStarted>(bad);
    b.wait<Started>(longer);
    const bool signalled = b.children.signal(longer, SIGTERM);
    b.wait<Ended>(longer);
    std::string failed;
    if (b.find<Ended>(good)->status.code != 9) failed += "exit code; ";
    if (b.find<NotStarted>(bad)->error != ENOENT) failed += "errno; ";
    if (!signalled) failed += "signal; ";
    if (b.find<Ended>(longer)->status.signal != SIGTERM && !b.find<Ended>(longer)->status.code) {
        failed += "end; ";
    }
    ::dprintf(2, "failed: %s\n", failed.c_str());
    ::_exit(failed.empty() ? 0 : 1);
}

TEST(SpawnDeathTest, VforkDoesWhereClone3IsMissing) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer takes a child that shares its memory for a fork";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(start_without_clone3(), ::testing::ExitedWithCode(0), "failed: \n");
}

}  // namespace
}  // namespace reeve::os
