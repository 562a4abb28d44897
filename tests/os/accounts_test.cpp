#include "daemon/os/accounts.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/os/account_lines.hpp"
#include "tests/os/support/turns.hpp"

namespace reeve::os {
namespace {

// The helper is /proc/self/exe, which is this test.
const bool is_helper = [] {
    std::ifstream words{"/proc/self/cmdline"};
    for (std::string word; std::getline(words, word, '\0');)
        if (word == "--look-up-accounts") ::_exit(Accounts::helper_main());
    return false;
}();

class AccountsTest : public testing::Test {
protected:
    ~AccountsTest() override {
        while (::waitpid(-1, nullptr, 0) > 0) continue;  // as the reaper would
    }
    // Asks until there is an answer that is final.
    const Account* resolve(Accounts& accounts, const std::string& user, const std::string& group) {
        const Account* found = nullptr;
        EXPECT_TRUE(run_until(loop, [&] {
            why.clear();
            found = accounts.find(user, group, why);
            return found != nullptr || why.find("being looked up") == why.npos;
        })) << why;
        return found;
    }
    Accounts make(std::vector<std::string> helper, std::chrono::milliseconds retry = 1h,
                  std::chrono::milliseconds deadline = 200ms) {
        return Accounts{loop, [this] { ++news; }, {std::move(helper), deadline, retry}};
    }

    Loop loop;
    std::string why;
    int news = 0;
};

TEST_F(AccountsTest, KnowsRootAfterAWhile) {
    Accounts accounts{loop, [this] { ++news; }};
    EXPECT_EQ(accounts.find("root", "", why), nullptr);
    EXPECT_EQ(why, "user root: being looked up");
    const Account* const root = resolve(accounts, "root", "");
    ASSERT_NE(root, nullptr) << why;
    EXPECT_EQ(root->identity.uid, 0U);
    EXPECT_EQ(root->identity.gid, 0U);
    EXPECT_EQ(root->name, "root");
    EXPECT_EQ(root->home, "/root");
    EXPECT_FALSE(root->shell.empty());
    EXPECT_TRUE(std::ranges::count(root->identity.groups, 0U));
    EXPECT_GT(news, 0);
    EXPECT_EQ(accounts.find("root", "", why), root) << "from the cache";
}

TEST_F(AccountsTest, TakesTheGroupThatIsNamed) {
    Accounts accounts{loop, [] {}};
    const Account* const found = resolve(accounts, "daemon", "adm");
    ASSERT_NE(found, nullptr) << why;
    EXPECT_NE(found->identity.uid, found->identity.gid);
    EXPECT_TRUE(std::ranges::count(found->identity.groups, found->identity.gid));
    const Account* const group = resolve(accounts, "", "adm");
    ASSERT_NE(group, nullptr) << why;
    EXPECT_EQ(group->identity.uid, ::getuid());
    EXPECT_EQ(group->identity.gid, found->identity.gid);
}

TEST_F(AccountsTest, SaysWhichNameNobodyKnows) {
    Accounts accounts{loop, [] {}};
    EXPECT_EQ(resolve(accounts, "no-such-user", "adm"), nullptr);
    EXPECT_EQ(why, "user no-such-user: unknown");
    EXPECT_EQ(resolve(accounts, "root", "no-such-group"), nullptr);
    EXPECT_EQ(why, "group no-such-group: unknown");
    EXPECT_EQ(accounts.find("a\tb", "", why), nullptr);
    EXPECT_EQ(why, "user a\tb: not a name");
}

TEST_F(AccountsTest, ANumberNeedNotBeKnown) {
    Accounts accounts{loop, [] {}};
    const Account* found = resolve(accounts, "54321", "");
    ASSERT_NE(found, nullptr) << why;
    EXPECT_EQ(found->identity.uid, 54321U);
    EXPECT_EQ(found->identity.gid, 54321U);
    EXPECT_TRUE(found->identity.groups.empty());
    EXPECT_EQ(found->home, "");
    found = resolve(accounts, "0", "7");
    ASSERT_NE(found, nullptr) << why;
    EXPECT_EQ(found->identity.gid, 7U);
    EXPECT_EQ(found->home, "/root") << "what there is about it is found";
}

TEST_F(AccountsTest, ManyNamesInOneTurnAreOneHelper) {
    int rounds = 0;
    Accounts accounts{loop, [&] { ++rounds; }};
    for (int i = 0; i < 50; ++i) accounts.find("u" + std::to_string(i), "", why);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(resolve(accounts, "u" + std::to_string(i), ""), nullptr);
        EXPECT_EQ(why, "user u" + std::to_string(i) + ": unknown");
    }
    run_until(
        loop, [] { return false; }, 20ms);
    int helpers = 0;  // it has answered, and ends in its own time
    while (::waitpid(-1, nullptr, 0) > 0) ++helpers;
    EXPECT_EQ(helpers, 1);
}

TEST_F(AccountsTest, AHelperThatHangsIsKilledAndTheLoopNeverWaits) {
    Accounts accounts = make({"/bin/sleep", "1000"});
    EXPECT_EQ(resolve(accounts, "imu", ""), nullptr);
    EXPECT_EQ(why, "user imu: look-up timed out");
    EXPECT_GT(news, 0);
    EXPECT_LT(loop.stats().worst_dispatch, 100ms) << loop.stats().worst_what;
    const Account* const number = resolve(accounts, "1234", "");
    ASSERT_NE(number, nullptr) << "numbers stand for themselves";
    EXPECT_EQ(number->identity.uid, 1234U);
    int status = 0;
    ASSERT_TRUE(run_until(loop, [&] { return ::waitpid(-1, &status, WNOHANG) > 0; }));
    EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(AccountsTest, AHelperThatFailsIsAskedAgain) {
    const Folder folder;
    const std::string flag = folder / "works";
    const std::string script = "test -e " + flag + " && exec /proc/" + std::to_string(::getpid()) +
                               "/exe --look-up-accounts";
    Accounts accounts = make({"/bin/sh", "-c", script}, 50ms, 5s);  // it has to fail by itself
    EXPECT_EQ(resolve(accounts, "root", ""), nullptr);
    EXPECT_EQ(why, "user root: look-up failed");
    write_file(flag, "");
    EXPECT_TRUE(run_until(loop, [&] { return accounts.find("root", "", why) != nullptr; })) << why;
}

TEST_F(AccountsTest, AMissingHelperIsAFailedLookUp) {
    Accounts accounts = make({"/no/such/program"});
    EXPECT_EQ(resolve(accounts, "root", ""), nullptr);
    EXPECT_EQ(why, "user root: look-up failed");
    EXPECT_EQ(news, 1);
}

TEST_F(AccountsTest, RefreshForgets) {
    Accounts accounts{loop, [] {}};
    ASSERT_NE(resolve(accounts, "root", ""), nullptr);
    accounts.refresh();
    EXPECT_EQ(accounts.find("root", "", why), nullptr);
    EXPECT_EQ(why, "user root: being looked up");
    EXPECT_NE(resolve(accounts, "root", ""), nullptr);
}

TEST(AccountLines, SurviveTheWayThereAndBack) {
    const AccountQuery query{"imu", "i2c"};
    std::string line = to_line(query);
    line.pop_back();
    EXPECT_EQ(parse_account_query(line), query);

    AccountAnswer answer{query, "", {{7, 8, {8, 9, 10}}, "imu", "/home/a b", "/bin/sh"}};
    line = to_line(answer);
    line.pop_back();
    const auto read = parse_account_answer(line);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->query, query);
    EXPECT_EQ(read->account.identity.uid, 7U);
    EXPECT_EQ(read->account.identity.groups, (std::vector<gid_t>{8, 9, 10}));
    EXPECT_EQ(read->account.home, "/home/a b");
    for (const char* bad :
         {"", "a", "a\tb\t\tx\t8\t\t\t\t", "a\tb\t\t7\t8\t1,x\t\t\t", "a\tb\t\t7"})
        EXPECT_FALSE(parse_account_answer(bad)) << bad;
    for (const char* bad : {"", "a", "a\tb\tc", "a:b\t"})
        EXPECT_FALSE(parse_account_query(bad)) << bad;
}

TEST(AccountLines, NumbersThatMeanNobodyAreRefused) {
    EXPECT_EQ(account_number("0"), 0U);
    EXPECT_EQ(account_number("4294967294"), 4294967294U);
    for (const char* bad : {"", "-1", "4294967295", "4294967296", "1x", " 1", "+1"})
        EXPECT_FALSE(account_number(bad)) << bad;
}

}  // namespace
}  // namespace reeve::os
