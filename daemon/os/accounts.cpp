#include "daemon/os/accounts.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include "daemon/os/account_lines.hpp"
#include "daemon/os/helper.hpp"
#include "hal/posix/check.hpp"
#include "hal/posix/fd.hpp"
#include "hal/posix/log.hpp"

namespace reeve::os {

namespace {

using posix::check;

constexpr std::size_t most_asked = 32 << 10;  // bytes of one batch; less than a pipe holds

struct Entry {
    enum class State { wanted, asked, known, unknown, failed } state = State::wanted;
    Account account;
    std::string why;  // unknown, failed
};

// A started helper. It is reaped as any child; the end of its output says that it is gone.
struct Helper {
    posix::Fd pidfd, output;
    std::string received;
    bool timed_out = false;
};

// What `why` is about: the name that is not simply a number.
std::string subject(const AccountQuery& query) {
    const bool group = query.user.empty() || (account_number(query.user) && !query.group.empty() &&
                                              !account_number(query.group));
    return group ? "group " + query.group : "user " + query.user;
}

// What numbers alone say, without anybody's help; nullopt: a name is needed.
std::optional<Account> from_numbers(const AccountQuery& query) {
    const auto user = account_number(query.user);
    const auto group = account_number(query.group);
    if ((!user && !query.user.empty()) || (!group && !query.group.empty())) return std::nullopt;
    Account account;
    account.identity.uid = user.value_or(::getuid());
    account.identity.gid = group.value_or(user.value_or(::getgid()));
    return account;
}

}  // namespace

struct Accounts::Impl {
    Impl(Loop& on, std::function<void()> to, Options with);
    ~Impl();

    void ask_soon();
    void ask();
    void start(const std::string& questions);
    void received();
    void take(std::string_view line);
    void helper_gone();
    void give_up_on_helper();
    void tick();
    void arm(std::chrono::milliseconds in) const;

    Loop& loop;
    std::function<void()> changed;
    Options options;
    posix::Fd timer;  // of the helper's deadline, else of the next attempt
    std::map<AccountQuery, Entry> entries;
    std::optional<Helper> helper;
};

Accounts::Impl::Impl(Loop& on, std::function<void()> to, Options with)
    : loop{on},
      changed{std::move(to)},
      options{std::move(with)},
      timer{check(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                  "timer for account look-ups")} {
    loop.watch(timer.get(), EPOLLIN, [this](std::uint32_t) { tick(); });
}

Accounts::Impl::~Impl() {
    give_up_on_helper();
    loop.unwatch(timer.get());
}

void Accounts::Impl::arm(std::chrono::milliseconds in) const {
    itimerspec when{};
    when.it_value.tv_sec = in.count() / 1000;
    when.it_value.tv_nsec = in.count() % 1000 * 1'000'000;
    ::timerfd_settime(timer.get(), 0, &when, nullptr);
}

// ── asking ─────────────────────────────────────────────────────────────────────────────────────

// By the timer, so that all that is wanted in this turn goes to one helper.
void Accounts::Impl::ask_soon() {
    if (!helper) arm(std::chrono::milliseconds{1});
}

void Accounts::Impl::ask() {
    std::string questions;
    for (auto& [query, entry] : entries) {
        if (entry.state != Entry::State::wanted || questions.size() > most_asked) continue;
        questions += to_line(query);
        entry.state = Entry::State::asked;
    }
    if (questions.empty()) return;
    try {
        start(questions);
    } catch (const std::system_error& error) {
        log::warn("cannot look up accounts: {}", error.what());
        helper_gone();
        changed();
    }
}

void Accounts::Impl::start(const std::string& questions) {
    int to[2];
    int from[2];
    check(::pipe2(to, O_CLOEXEC), "pipe to the account helper");
    const posix::Fd input{to[0]};
    const posix::Fd asking{to[1]};
    check(::pipe2(from, O_CLOEXEC), "pipe from the account helper");
    Helper fresh;
    fresh.output = posix::Fd{from[0]};
    const posix::Fd output{from[1]};
    check(::fcntl(fresh.output.get(), F_SETFL, O_NONBLOCK), "fcntl of a pipe");
    check(::write(asking.get(), questions.data(), questions.size()), "ask the account helper");
    const pid_t pid = spawn_helper(options.helper, input.get(), output.get());
    // Nobody reaps it before this turn of the loop is over: the number is still its own.
    fresh.pidfd = posix::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    loop.watch(fresh.output.get(), EPOLLIN, [this](std::uint32_t) { received(); });
    helper = std::move(fresh);
    arm(options.deadline);
}

// ── being answered ─────────────────────────────────────────────────────────────────────────────

void Accounts::Impl::received() {
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(helper->output.get(), buffer.data(), buffer.size());
    if (got < 0) return;
    if (got == 0) {
        helper_gone();
        return changed();
    }
    std::string& text = helper->received;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != text.npos; begin = end + 1)
        take(std::string_view{text}.substr(begin, end - begin));
    text.erase(0, begin);
    if (begin > 0) changed();
}

void Accounts::Impl::take(std::string_view line) {
    auto answer = parse_account_answer(line);
    if (!answer) return;
    const auto found = entries.find(answer->query);
    if (found == entries.end() || found->second.state != Entry::State::asked) return;
    Entry& entry = found->second;
    entry.state = answer->unknown.empty() ? Entry::State::known : Entry::State::unknown;
    entry.account = std::move(answer->account);
    entry.why = answer->unknown + ": unknown";
}

// What it did not answer: numbers stand for themselves, names are asked again later.
void Accounts::Impl::helper_gone() {
    const char* const what = helper && helper->timed_out ? "timed out" : "failed";
    give_up_on_helper();
    bool again = false;
    for (auto& [query, entry] : entries) {
        if (entry.state != Entry::State::asked) continue;
        entry.why = subject(query) + ": look-up " + what;
        entry.state = Entry::State::failed;
        if (auto account = from_numbers(query)) {
            entry.account = std::move(*account);
            entry.state = Entry::State::known;
        }
        again |= entry.state == Entry::State::failed;
    }
    if (again) arm(options.retry);
    for (const auto& [query, entry] : entries)
        if (entry.state == Entry::State::wanted) return ask_soon();
}

void Accounts::Impl::give_up_on_helper() {
    if (!helper) return;
    loop.unwatch(helper->output.get());
    if (helper->pidfd) ::syscall(SYS_pidfd_send_signal, helper->pidfd.get(), SIGKILL, nullptr, 0);
    helper.reset();
}

void Accounts::Impl::tick() {
    std::uint64_t times = 0;
    (void)!::read(timer.get(), &times, sizeof times);
    if (helper) {
        log::warn("account look-up does not answer: giving it up");
        helper->timed_out = true;
        helper_gone();
        return changed();
    }
    for (auto& [query, entry] : entries)
        if (entry.state == Entry::State::failed) entry.state = Entry::State::wanted;
    ask();
}

// ── the interface ──────────────────────────────────────────────────────────────────────────────

Accounts::Accounts(Loop& loop, std::function<void()> changed)
    : Accounts{loop, std::move(changed), Options{}} {}

Accounts::Accounts(Loop& loop, std::function<void()> changed, Options options)
    : impl_{std::make_unique<Impl>(loop, std::move(changed), std::move(options))} {}

Accounts::~Accounts() = default;

const Account* Accounts::find(const std::string& user, const std::string& group, std::string& why) {
    for (const std::string* name : {&user, &group}) {
        if (is_account_name(*name)) continue;
        why = (name == &user ? "user " : "group ") + *name + ": not a name";
        return nullptr;
    }
    const auto [at, fresh] = impl_->entries.try_emplace(AccountQuery{user, group});
    const auto& [query, entry] = *at;
    if (fresh) impl_->ask_soon();
    switch (entry.state) {
        case Entry::State::known: return &entry.account;
        case Entry::State::unknown: why = entry.why; break;
        case Entry::State::failed: why = entry.why; break;
        case Entry::State::wanted:
        case Entry::State::asked:
            why = entry.why.empty() ? subject(query) + ": being looked up" : entry.why;
            break;
    }
    return nullptr;
}

void Accounts::refresh() {
    impl_->give_up_on_helper();
    impl_->entries.clear();
}

}  // namespace reeve::os
