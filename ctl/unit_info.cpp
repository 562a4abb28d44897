#include "ctl/unit_info.hpp"

#include <time.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "ctl/duration.hpp"
#include "daemon/api/names.hpp"

namespace reeve::ctl {

namespace {

std::uint64_t read_clock(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec) / 1'000;
}

Value microseconds(Duration duration) {
    return Value{std::int64_t{duration.count()}};
}

Value links_json(const Value& links) {
    Value list = Value::list();
    for (const Value& link : links.items()) {
        list.add(
            Value{}.set("relation", link.at(0)).set("unit", link.at(1)).set("ordered", link.at(2)));
    }
    return list;
}

// Properties that are handed on as they are.
constexpr struct {
    const char* property;
    const char* key;
} plain[] = {
    {"Name", "name"},        {"Kind", "kind"},          {"Description", "description"},
    {"Aliases", "aliases"},  {"Files", "files"},        {"Type", "type"},
    {"Enabled", "enabled"},  {"Daemonic", "daemonic"},  {"Transient", "transient"},
    {"Masked", "masked"},    {"Stale", "stale"},        {"Leases", "leases"},
    {"Sets", "sets"},        {"State", "state"},        {"Asked", "asked"},
    {"AskedBy", "asked_by"}, {"Wanted", "wanted"},      {"Run", "run"},
    {"MainPid", "main_pid"}, {"Pids", "pids"},          {"Result", "result"},
    {"Detail", "detail"},    {"Failures", "failures"},  {"Starts", "starts"},
    {"Status", "status"},    {"WaitsFor", "waits_for"}, {"Problems", "problems"},
};

constexpr struct {
    std::string_view kind;
    const char* before;
    const char* after;
} reason_words[] = {
    {"after", "", ", which it is ordered after"},
    {"requires", "", ", which it requires"},
    {"binds-to", "", ", which it is bound to"},
    {"requisite", "", ", which has to be up before"},
    {"conflicts", "", ", which conflicts with it, to end"},
    {"stopping", "", ", which is stopping"},
    {"lease", "the lease of ", ""},
    {"gate", "gate ", ""},
    {"idle", "quiet: ", ""},
    {"condition", "its conditions: one ", ""},
    {"problem", "", ""},
    {"hindered", "", ""},
    {"hindrance", "", ""},
    {"masked", "masked: ", ""},
};

// WaitsFor: reasons with commas between; a gate may have some of its own.
std::vector<std::string> reasons_in(std::string_view text) {
    std::vector<std::string> reasons;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(", "), text.size());
        const std::string_view part = text.substr(0, end);
        const std::string_view kind = part.substr(0, part.find(' '));
        const bool known = std::ranges::any_of(
            reason_words, [&](const auto& words) { return words.kind == kind; });
        if (reasons.empty() || known)
            reasons.emplace_back(part);
        else
            reasons.back().append(", ").append(part);
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return reasons;
}

// "user X: unknown" is what the manager says of an account.
std::string with_verb(std::string text) {
    constexpr std::string_view end = ": unknown";
    if (!text.ends_with(end)) return text;
    const bool person = text.starts_with("user ");
    text.resize(text.size() - end.size());
    return text + (person ? ", who is unknown" : ", which is unknown");
}

}  // namespace

std::string reason_text(std::string_view kind, std::string_view what) {
    for (const auto& words : reason_words)
        if (words.kind == kind) return words.before + with_verb(std::string{what}) + words.after;
    return std::string{kind} + (what.empty() ? "" : " ") + std::string{what};
}

Now Now::of(const Place& place) {
    return {read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME), !place.host.empty()};
}

// Between machines the wall clocks agree well enough; each unit tells both of its manager.
std::uint64_t Now::monotonic_at(const Value& unit) const {
    const std::uint64_t its_realtime = unit["SinceRealtime"].natural();
    if (!far || its_realtime == 0) return monotonic;
    return unit["Since"].natural() + realtime - its_realtime;
}

Duration Now::since(std::uint64_t then, const Value& unit) const {
    const std::uint64_t at = monotonic_at(unit);
    return Duration{at > then ? static_cast<std::int64_t>(at - then) : 0};
}

Duration Now::until(std::uint64_t then, const Value& unit) const {
    const std::uint64_t at = monotonic_at(unit);
    return Duration{then > at ? static_cast<std::int64_t>(then - at) : 0};
}

std::vector<Value> describe(Client& client, const std::vector<std::string>& units,
                            const std::vector<std::string>& properties) {
    Argument options = Argument::dictionary();
    if (!properties.empty()) options.set("properties", "as", Value::strings(properties));
    const auto reply = client.call("Describe", {{"as", Value::strings(units)}, options});
    return reply.empty() ? std::vector<Value>{} : reply.front().items();
}

bool is_up(std::string_view state) noexcept {
    return state == api::state::up || state == api::state::reloading;
}

bool has_ended(std::string_view state) noexcept {
    constexpr const char* ended[] = {api::state::down, api::state::waiting, api::state::backoff,
                                     api::state::done, api::state::failed};
    return std::find(std::begin(ended), std::end(ended), state) != std::end(ended);
}

int urgency(std::string_view state) noexcept {
    constexpr const char* order[] = {
        api::state::failed,   api::state::waiting,  api::state::backoff,   api::state::killing,
        api::state::stopping, api::state::starting, api::state::reloading, api::state::up,
        api::state::done,     api::state::down};
    int rank = 0;
    for (const char* known : order) {
        if (state == known) break;
        ++rank;
    }
    return rank;
}

Style style_of(std::string_view state) noexcept {
    if (state == api::state::failed) return Style::bad;
    if (is_up(state)) return Style::good;
    if (state == api::state::down || state == api::state::done) return Style::dim;
    return Style::warning;
}

std::string signal_name(std::int64_t signal) {
    const char* name = ::sigabbrev_np(static_cast<int>(signal));
    return name != nullptr ? name : std::to_string(signal);
}

std::string exit_text(const Value& unit) {
    const std::string_view result = unit["Result"].text();
    if (result.empty() || result == "none" || result == "skipped") return {};
    const std::int64_t signal = unit["Signal"].integer();
    if (signal == 0) return "exit code " + std::to_string(unit["Code"].integer());
    return "signal " + std::to_string(signal) + " (" + signal_name(signal) + ")";
}

Value exitcode(std::string_view result, std::int64_t code, std::int64_t signal) {
    if (result.empty() || result == "none") return {};
    return signal != 0 ? Value{-signal} : Value{code};
}

std::string summary(const Value& unit, const Now& now) {
    const std::string_view state = unit["State"].text();
    const std::string detail{unit["Detail"].text()};
    std::string why = detail.empty() ? std::string{unit["Result"].text()} : detail;
    if (unit["Masked"].boolean()) return "masked";
    if (const auto problems = unit["Problems"].words(); !problems.empty()) return problems.front();
    if (state == api::state::failed) return why;
    if (const auto left = unit["Pids"].items().size(); has_ended(state) && left != 0) {
        return std::to_string(left) + (left == 1 ? " process" : " processes") + " left over";
    }
    if (state == api::state::backoff) {
        return "starts in " + to_text(now.until(unit["NextStart"].natural(), unit)) +
               (why.empty() ? "" : "; ended: " + why);
    }
    const std::string waits{unit["WaitsFor"].text()};
    if (!waits.empty()) {
        const std::uint64_t begin = unit["WaitsSince"].natural();
        const std::string time = begin != 0 ? " for " + to_text(now.since(begin, unit)) : "";
        std::string all;
        for (const std::string& each : reasons_in(waits)) {
            const std::size_t space = std::min(each.find(' '), each.size());
            const std::size_t rest = std::min(space + 1, each.size());
            all +=
                (all.empty() ? "" : "; ") + reason_text(each.substr(0, space), each.substr(rest));
        }
        return "waits" + time + " for " + all;
    }
    if (state == api::state::done && unit["Result"].text() == "skipped") return "skipped: " + why;
    if (!unit["Status"].text().empty()) return std::string{unit["Status"].text()};
    return std::string{unit["Description"].text()};
}

Value unit_json(const Value& unit, const Now& now) {
    Value json = Value::object();
    for (const auto& [property, key] : plain) {
        const Value& value = unit[property];
        if (!value.is_null()) json.set(key, value);
    }
    if (unit["Links"].is_list()) json.set("links", links_json(unit["Links"]));
    if (!unit["Code"].is_null()) {
        json.set("exitcode",
                 exitcode(unit["Result"].text(), unit["Code"].integer(), unit["Signal"].integer()));
    }
    if (!unit["SinceRealtime"].is_null()) json.set("since", unit["SinceRealtime"]);
    if (!unit["Since"].is_null()) {
        json.set("state_us", microseconds(now.since(unit["Since"].natural(), unit)));
    }
    const auto span = [&](const char* property, const char* key, auto&& tell) {
        if (unit[property].is_null()) return;
        const std::uint64_t at = unit[property].natural();
        json.set(key, at == 0 ? Value{} : microseconds(tell(at)));
    };
    span("NextStart", "next_start_us", [&](std::uint64_t at) { return now.until(at, unit); });
    span("WaitsSince", "waits_us", [&](std::uint64_t at) { return now.since(at, unit); });
    return json;
}

}  // namespace reeve::ctl
