// logs: what units printed. The manager gives a descriptor; without one the files are read.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "ctl/commands/verbs.hpp"
#include "ctl/json.hpp"
#include "ctl/log_files.hpp"
#include "ctl/log_follow.hpp"
#include "ctl/log_line.hpp"
#include "hal/posix/check.hpp"

namespace reeve::ctl::commands {

namespace {

constexpr std::uint64_t lines_before_following = 10;

void show(Context& context, std::string_view line, std::string& out) {
    if (context.json())
        out += to_json(log_line(line));
    else
        out += line;
    out += '\n';
}

// Copies to standard output as it comes, whole lines. What is left of a line at the end is shown
// when nobody comes back for the rest.
void copy(Context& context, int fd, LogFollow* follow) {
    std::string held;
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got == 0) break;
        if (got == -1 && errno == EINTR) continue;
        posix::check(got, "read the log");
        held.append(buffer, static_cast<std::size_t>(got));
        std::string out;
        std::size_t begin = 0;
        for (auto end = held.find('\n'); end != std::string::npos; end = held.find('\n', begin)) {
            const auto line = std::string_view{held}.substr(begin, end - begin);
            show(context, line, out);
            if (follow != nullptr) follow->shown(line);
            begin = end + 1;
        }
        held.erase(0, begin);
        write_all(STDOUT_FILENO, out, "write to standard output");
    }
    if (held.empty() || follow != nullptr) return;
    std::string out;
    show(context, held, out);
    write_all(STDOUT_FILENO, out, "write to standard output");
}

// It has ended in order: no socket is left for another one.
bool has_ended(const Place& place) {
    return place.bus.empty() && ::access(place.socket.c_str(), F_OK) == -1 && errno == ENOENT;
}

// The manager may die, or give way to another; that one goes on where this one was.
int follow(Context& context, Request request) {
    const Arguments& arguments = context.arguments;
    const auto lines = arguments.number(Opt::lines).value_or(lines_before_following);
    LogFollow place{lines != 0};
    Argument& options = request.arguments.back();
    options.set("lines", "u", lines);
    const Argument always = options;
    for (;;) {
        context.client().perform(request);
        if (request.failure) throw *request.failure;
        copy(context, request.fd.get(), &place);
        if (has_ended(context.place)) return code::done;
        const Value after = place.after();
        request.answered = false;
        request.first_sent.reset();
        request.fd = {};
        request.arguments.back() = always;
        if (after.fields().empty()) continue;
        Argument& again = request.arguments.back();
        again.entries.pop_back();  // lines: all that came since
        again.set("after", "a{ss}", after);
        if (!place.since().empty()) again.set("since", "s", place.since());
    }
}

int from_files(Context& context) {
    const Arguments& arguments = context.arguments;
    if (arguments.has(Opt::follow)) {
        throw Failure{code::no_daemon, "NoManager", "logs --follow needs a running manager"};
    }
    const std::string text = read_log_files(
        context.place.logs, arguments.words,
        {arguments.number(Opt::lines).value_or(0), arguments.number(Opt::run).value_or(0)});
    if (!context.json()) {
        context.screen.out += text;
        return code::done;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        context.print_json(log_line(line));
    }
    return code::done;
}

// A descriptor does not travel through ssh: the other reevectl reads, we print.
[[noreturn]] void through_ssh(const Context& context) {
    std::vector<std::string> words{"ssh", "-T", context.place.host, "reevectl", "logs"};
    words.insert(words.end(), context.place.far_options.begin(), context.place.far_options.end());
    const Arguments& arguments = context.arguments;
    for (const Opt opt : {Opt::lines, Opt::run}) {
        if (const auto number = arguments.number(opt)) {
            words.insert(words.end(), {std::string{spec_of(opt).name}, std::to_string(*number)});
        }
    }
    for (const Opt opt : {Opt::follow, Opt::json}) {
        if (arguments.has(opt)) words.emplace_back(spec_of(opt).name);
    }
    words.emplace_back("--");
    for (const auto& unit : arguments.words) words.push_back(shell_quoted(unit));
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp("ssh", argv.data());
    throw Failure{code::no_daemon, "NoManager",
                  std::string{"cannot run ssh: "} + std::strerror(errno)};
}

}  // namespace

int logs(Context& context) {
    if (!context.place.host.empty()) through_ssh(context);
    const Arguments& arguments = context.arguments;
    if (context.place.offline) return from_files(context);
    Request request;
    request.member = "Logs";
    const bool follows = arguments.has(Opt::follow);
    request.arguments = {{"as", Value::strings(arguments.words)},
                         Argument::dictionary()
                             .set("run", "t", arguments.number(Opt::run).value_or(0))
                             .set("follow", "b", follows)};
    if (follows) return follow(context, std::move(request));
    request.arguments.back().set("lines", "u", arguments.number(Opt::lines).value_or(0));
    try {
        context.client().perform(request);
    } catch (const Failure& failure) {
        if (failure.code != code::no_daemon || !has_log_files(context.place.logs)) throw;
        context.complain("no manager; reading " + context.place.logs);
        return from_files(context);
    }
    if (request.failure) throw *request.failure;
    copy(context, request.fd.get(), nullptr);
    return code::done;
}

}  // namespace reeve::ctl::commands
