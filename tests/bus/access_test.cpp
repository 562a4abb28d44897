// Who may do what, as docs/interfaces.md says.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "daemon/bus/access.hpp"
#include "daemon/bus/signal_names.hpp"
#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

constexpr const char* passwd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "imu:x:800:800::/:/bin/false\n"
    "ann:x:1001:1001:Ann:/home/ann:/bin/sh\n";
constexpr const char* group = "root:x:0:\nadm:x:4:syslog\nreeve:x:900:ann,bob\nlab:x:901:\n";

const Credentials root{0, 1, {0}};
constexpr uid_t owner = 500;
const Credentials stranger{1'500, 1, {1'500}};
const Credentials in_reeve{1'501, 1, {1'501, 900}};
const Credentials in_adm{1'502, 1, {1'502, 4}};
const Credentials in_lab{1'503, 1, {1'503, 901}};
const Credentials imu{800, 1, {800}};
const Credentials ann{1'001, 1, {1'001}};

class AccessRules : public testing::Test {
protected:
    AccessRules() {
        std::ofstream{etc / "passwd"} << passwd;
        std::ofstream{etc / "group"} << group;
    }
    static std::unique_ptr<units::UnitFile> make() {
        auto made = std::make_unique<units::UnitFile>();
        made->service = std::make_unique<units::Service>();
        made->service->surroundings.edit().user = "imu";
        made->control = {"user:ann", "group:lab", "user:nobody-here"};
        return made;
    }
    Access access(bool system) { return {system, owner, etc / ""}; }

    Folder etc;
    std::unique_ptr<units::UnitFile> unit = make();
};

TEST_F(AccessRules, ControlTheManagerMayRootItsUserAndGroupReeve) {
    const Access rules = access(true);
    EXPECT_TRUE(rules.may_control(root));
    EXPECT_TRUE(rules.may_control(Credentials{owner, 1, {}}));
    EXPECT_TRUE(rules.may_control(in_reeve));
    for (const Credentials& other : {stranger, in_adm, in_lab, imu, ann}) {
        EXPECT_FALSE(rules.may_control(other)) << other.uid;
    }
}

TEST_F(AccessRules, ControlAUnitMayAlsoWhomItNames) {
    const Access rules = access(true);
    for (const Credentials& one : {root, in_reeve, in_lab, ann}) {
        EXPECT_TRUE(rules.may_control(one, unit.get())) << one.uid;
    }
    for (const Credentials& other : {stranger, in_adm, imu}) {
        EXPECT_FALSE(rules.may_control(other, unit.get())) << other.uid;
    }
    EXPECT_FALSE(rules.may_control(ann, nullptr));
}

TEST_F(AccessRules, SecretsOfAUnitMayReadItsUserAndGroupsReeveAndAdm) {
    const Access rules = access(true);
    for (const Credentials& one : {root, in_reeve, in_adm, imu}) {
        EXPECT_TRUE(rules.may_read(one, unit.get())) << one.uid;
    }
    for (const Credentials& other : {stranger, in_lab, ann}) {
        EXPECT_FALSE(rules.may_read(other, unit.get())) << other.uid;
    }
    EXPECT_FALSE(rules.may_read(imu));  // of the manager as a whole
}

TEST_F(AccessRules, OfAUsersOwnManagerGroupsDoNotCount) {
    const Access rules = access(false);
    EXPECT_TRUE(rules.may_control(root));
    EXPECT_TRUE(rules.may_control(Credentials{owner, 1, {}}));
    EXPECT_FALSE(rules.may_control(in_reeve));
    EXPECT_FALSE(rules.may_read(in_adm));
}

TEST_F(AccessRules, GroupsOfAUserAreThoseOfBothFiles) {
    const AccountFiles accounts{etc / ""};
    EXPECT_EQ(accounts.groups_of(1'001), (std::vector<gid_t>{1'001, 900}));
    EXPECT_EQ(accounts.groups_of(4'711), std::vector<gid_t>{});
    EXPECT_EQ(accounts.user("imu"), 800U);
    EXPECT_EQ(accounts.user("4711"), 4'711U);
    EXPECT_EQ(accounts.user("broken line"), std::nullopt);
    EXPECT_EQ(accounts.group(""), std::nullopt);
}

// Over the socket, as somebody who is neither root nor the manager's user nor in a group.
class AsStranger : public AccessRules {
protected:
    AsStranger() : server{{.address = "", .system = true, .owner = 77, .accounts = etc / ""}} {}
    Server server;
};

TEST_F(AsStranger, NamesStatesAndReasonsArePublicTheRestIsNot) {
    if (::geteuid() == 0) {
        // As root nobody is a stranger: a client of another user does it.
        const Ended which = run_program({"setpriv", "--version"});
        if (which.code != 0) GTEST_SKIP() << "no setpriv";
    }
    auto web = std::const_pointer_cast<units::UnitFile>(service("web"));
    server.on_loop([&](Board& board, Bus&) { board.define({web}); });
    server.open_folder();
    const auto call = [&](std::vector<std::string> words) {
        std::vector<std::string> argv;
        if (::geteuid() == 0) {
            argv = {"setpriv", "--reuid=1500", "--regid=1500", "--clear-groups"};
        }
        argv.insert(argv.end(), {"busctl", "--address=" + server.address(), "call", "org.reeve1",
                                 "/org/reeve1", "org.reeve1.Manager"});
        argv.insert(argv.end(), words.begin(), words.end());
        return run_program(argv);
    };
    for (const std::vector<std::string>& allowed :
         std::vector<std::vector<std::string>>{{"List", "a{sv}", "0"},
                                               {"Describe", "asa{sv}", "0", "0"},
                                               {"Why", "s", "web"},
                                               {"GoesWith", "s", "web"},
                                               {"ListEvents"},
                                               {"ListDevices"},
                                               {"Stats"},
                                               {"Definition", "s", "web"},
                                               {"Wait", "asa{sv}", "1", "web", "0"}}) {
        const Ended ended = call(allowed);
        EXPECT_EQ(ended.code, 0) << allowed[0] << ": " << ended.output;
        EXPECT_EQ(ended.output.find("hidden"), std::string::npos) << ended.output;
        EXPECT_EQ(ended.output.find("--secret"), std::string::npos) << ended.output;
    }
    for (const std::vector<std::string>& denied : std::vector<std::vector<std::string>>{
             {"Start", "sa{sv}", "web", "0"},
             {"Stop", "sa{sv}", "web", "0"},
             {"Restart", "sa{sv}", "web", "0"},
             {"Reload", "sa{sv}", "web", "0"},
             {"Isolate", "sa{sv}", "web", "0"},
             {"Kill", "sssa{sv}", "web", "TERM", "main", "0"},
             {"Run", "sa{sv}a{sv}", "x", "1", "command", "as", "1", "/bin/true", "0"},
             {"Forget", "sa{sv}", "web", "0"},
             {"ResetFailed", "sa{sv}", "", "0"},
             {"SetEvent", "sa{sv}", "e", "0"},
             {"ClearEvent", "sa{sv}", "e", "0"},
             {"Plan", "a{sv}", "0"},
             {"Apply", "a{sv}", "0"},
             {"Rollback", "a{sv}", "0"},
             {"Logs", "asa{sv}", "0", "0"},
             {"Logs", "asa{sv}", "1", "web", "0"},
             {"Shutdown", "sa{sv}", "", "0"}}) {
        const Ended ended = call(denied);
        EXPECT_NE(ended.code, 0) << denied[0];
        EXPECT_NE(ended.output.find("you may not"), std::string::npos)
            << denied[0] << ": " << ended.output;
    }
    // A template is not made an instance of by just anybody.
    EXPECT_NE(call({"Start", "sa{sv}", "t@1", "0"}).code, 0);
    EXPECT_TRUE(server.on_loop([](Board& board, Bus&) { return board.referred_to.empty(); }));
}

// run: "runs as its caller;"
TEST_F(AccessRules, ATransientUnitRunsAsItsCallerAndOnlyRootMayChooseAnother) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs another user as caller";
    Server server{{.address = "", .system = true, .owner = 0, .accounts = etc / ""}};
    server.open_folder();
    const auto run = [&](const std::string& groups, std::vector<std::string> definition) {
        std::vector<std::string> argv{"setpriv",
                                      "--reuid=1500",
                                      "--regid=1500",
                                      groups,
                                      "busctl",
                                      "--address=" + server.address(),
                                      "call",
                                      "org.reeve1",
                                      "/org/reeve1",
                                      "org.reeve1.Manager",
                                      "Run",
                                      "sa{sv}a{sv}",
                                      ""};
        argv.insert(argv.end(), definition.begin(), definition.end());
        argv.emplace_back("0");
        return run_program(argv);
    };
    const Ended own = run("--groups=900", {"1", "command", "as", "1", "/bin/true"});
    EXPECT_EQ(own.code, 0) << own.output;
    const Ended other =
        run("--groups=900", {"2", "command", "as", "1", "/bin/true", "user", "s", "imu"});
    EXPECT_NE(other.code, 0);
    EXPECT_NE(other.output.find("only root"), std::string::npos) << other.output;
    const Ended in_group =
        run("--groups=900", {"2", "command", "as", "1", "/bin/true", "group", "s", "lab"});
    EXPECT_NE(in_group.code, 0);
    const auto asked =
        server.on_loop([](Board& board, Bus&) { return board.asked<core::RunRequest>(); });
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].unit->service->surroundings->user, "1500");
    EXPECT_EQ(asked[0].caller.by, "uid 1500");
}

TEST(SignalNames, AreNamesWithAndWithoutSigAndNumbers) {
    EXPECT_EQ(signal_number("TERM"), SIGTERM);
    EXPECT_EQ(signal_number("SIGTERM"), SIGTERM);
    EXPECT_EQ(signal_number("15"), 15);
    EXPECT_EQ(signal_number("RTMIN+3"), SIGRTMIN + 3);
    EXPECT_EQ(signal_number("SIGRTMIN"), SIGRTMIN);
    for (const char* wrong : {"", "SIG", "term", "0", "-1", "65", "15x", "RTMIN+99", "RTMIN+"}) {
        EXPECT_EQ(signal_number(wrong), std::nullopt) << wrong;
    }
}

}  // namespace
}  // namespace reeve::bus::test
