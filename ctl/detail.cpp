#include "ctl/detail.hpp"

#include <time.h>
#include <unistd.h>

#include "ctl/text.hpp"
#include "daemon/api/names.hpp"
#include "hal/posix/check.hpp"

namespace reeve::ctl {

namespace {

constexpr std::size_t label_width = 13;
constexpr std::uint64_t log_lines = 8;

void item(Context& context, std::string label, const std::string& text) {
    if (text.empty()) return;
    const std::size_t columns = context.screen.columns();
    const std::string clean = printable(text);
    const bool narrow = columns > label_width + 10;
    context.line("  " + pad(std::move(label), label_width) +
                 (narrow ? shorten(clean, columns - label_width - 2) : clean));
}

std::string origin(const Value& unit) {
    const auto files = unit["Files"].words();
    if (unit["Transient"].boolean()) return "made by run";
    if (files.empty()) return "";
    if (files.size() == 1) return files.front();
    return files.front() + " and " + std::to_string(files.size() - 1) +
           (files.size() == 2 ? " drop-in" : " drop-ins");
}

std::string headline(const Context& context, const Value& unit, const Now& now) {
    const std::string state{unit["State"].text()};
    std::string line = context.screen.painted(Style::bold, unit["Name"].text()) + ": " +
                       context.screen.painted(style_of(state), state);
    const std::uint64_t since = unit["Since"].natural();
    if (since != 0) {
        line += " for " + to_text(now.since(since, unit));
        const std::string when = local_time(unit["SinceRealtime"].natural());
        if (!when.empty()) line += ", since " + when;
    }
    return line;
}

std::string kind_text(const Value& unit) {
    if (unit["Masked"].boolean()) return "masked";
    if (!unit["Problems"].items().empty()) return "missing: its file has problems";
    std::string text{unit["Kind"].text()};
    if (!unit["Type"].text().empty()) text += ", " + std::string{unit["Type"].text()};
    if (!unit["Enabled"].boolean()) text += ", not enabled";
    if (unit["Stale"].boolean()) text += ", runs with an older definition";
    return text;
}

std::string asked_text(const Value& unit) {
    const std::string_view asked = unit["Asked"].text();
    if (asked == api::asked::none) {
        return unit["Wanted"].boolean() ? "by nobody, pulled in by others" : "";
    }
    const std::string_view by = unit["AskedBy"].text();
    return std::string{asked} + (by.empty() ? "" : " by " + std::string{by});
}

std::string run_text(const Value& unit) {
    const std::uint64_t run = unit["Run"].natural();
    if (run == 0) return {};
    const std::uint64_t starts = unit["Starts"].natural();
    std::string text = std::to_string(run);
    if (starts > 1) text += ", start number " + std::to_string(starts);
    const std::uint64_t pid = unit["MainPid"].natural();
    const std::size_t processes = unit["Pids"].items().size();
    if (pid != 0) text += "; main process " + std::to_string(pid);
    if (processes > 1) text += " of " + std::to_string(processes);
    return text;
}

// What an ended run left behind (kill-mode process, none).
std::string left_text(const Value& unit) {
    const auto& pids = unit["Pids"].items();
    if (!has_ended(unit["State"].text()) || pids.empty()) return {};
    std::string text = pids.size() == 1 ? "process " : "processes ";
    for (const Value& pid : pids) {
        if (&pid != &pids.front()) text += ", ";
        text += std::to_string(pid.natural());
    }
    return text + "; shutdown ends them";
}

std::string result_text(const Value& unit) {
    std::string text = exit_text(unit);
    const std::string_view result = unit["Result"].text();
    if (text.empty()) return result == "skipped" ? std::string{unit["Detail"].text()} : "";
    text += ", " + std::string{result};
    const std::string_view detail = unit["Detail"].text();
    if (!detail.empty() && text.find(detail) == std::string::npos) {
        text += ": " + std::string{detail};
    }
    const std::uint64_t failures = unit["Failures"].natural();
    if (failures > 1) text += ", " + std::to_string(failures) + " in a row";
    return text;
}

void print_reasons(Context& context, const Value& unit, const Now& now) {
    const auto reply = context.client().call("Why", {unit["Name"].text()});
    std::string label = "because";
    if (unit["State"].text() == api::state::waiting) label = "waits for";
    if (!unit["Problems"].items().empty()) label = "problem";
    for (const Value& reason : reply.at(0).items()) {
        const std::uint64_t since = reason.at(2).natural();
        item(context, std::exchange(label, ""),
             reason_text(reason.at(0).text(), reason.at(1).text()) +
                 (since == 0 ? "" : " for " + to_text(now.since(since, unit))));
    }
}

// Who may not read the log, or is too far away to be given a descriptor, does without.
void print_log(Context& context, const Value& unit) {
    if (!context.place.host.empty() || unit["Run"].natural() == 0) return;
    Request request;
    request.member = "Logs";
    request.arguments = {{"as", Value::strings({std::string{unit["Name"].text()}})},
                         Argument::dictionary().set("lines", "u", log_lines)};
    context.client().perform(request);
    if (!request.fd) return;
    const std::string text = read_all(request.fd.get(), "read the log");
    std::string_view rest = text;
    const std::size_t columns = context.screen.columns();
    std::string before = "\n";
    while (!rest.empty()) {
        const std::string line = printable(rest.substr(0, rest.find('\n')));
        rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
        context.line(std::exchange(before, "") + (columns != 0 ? shorten(line, columns) : line));
    }
}

}  // namespace

std::string local_time(std::uint64_t realtime_us) {
    if (realtime_us == 0) return {};
    const auto seconds = static_cast<time_t>(realtime_us / 1'000'000);
    tm parts{};
    char text[32];
    if (::localtime_r(&seconds, &parts) == nullptr) return {};
    return {text, ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

std::string read_all(int fd, const char* what) {
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got == 0) return text;
        if (got == -1 && errno == EINTR) continue;
        posix::check(got, what);
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

void print_details(Context& context, const Value& unit, const Now& now) {
    context.line(headline(context, unit, now));
    item(context, "description", std::string{unit["Description"].text()});
    item(context, "kind", kind_text(unit));
    item(context, "from", origin(unit));
    item(context, "asked", asked_text(unit));
    item(context, "run", run_text(unit));
    item(context, "says", std::string{unit["Status"].text()});
    item(context, "last end", result_text(unit));
    item(context, "left over", left_text(unit));
    const std::uint64_t next = unit["NextStart"].natural();
    if (next != 0) item(context, "next start", "in " + to_text(now.until(next, unit)));
    item(context, "leases", join(unit["Leases"].words(), ", "));
    item(context, "sets", join(unit["Sets"].words(), ", "));
    if (!is_up(unit["State"].text())) print_reasons(context, unit, now);
    print_log(context, unit);
}

}  // namespace reeve::ctl
