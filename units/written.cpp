#include "units/written.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "units/values.hpp"

namespace reeve::units {

namespace {

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.append({'\\', c});
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            constexpr std::string_view digits = "0123456789ABCDEF";
            out.append("\\u00").append({digits[byte >> 4U], digits[byte & 15U]});
        } else {
            out += c;
        }
    }
    return out + '"';
}

template <class List, class Write>
std::string list_of(const List& items, const Write& write) {
    std::string out = "[";
    for (const auto& item : items) out.append(out.size() > 1 ? ", " : "").append(write(item));
    return out + "]";
}

std::string octal(std::uint32_t mode) {
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "%04o", mode);
    return quoted(text.data());
}

std::string decimal(double number) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.15g", number);
    return text.data();
}

std::string words(const std::vector<std::string>& all) {
    return list_of(all, quoted);
}

std::string predicate(const Predicate& one) {
    if (one.kind != Predicate::Kind::any && one.kind != Predicate::Kind::all)
        return quoted(to_string(one));
    return (one.kind == Predicate::Kind::any ? "{ any = " : "{ all = ") +
           list_of(one.parts, predicate) + " }";
}

std::string command(const Command& one) {
    if (!one.ignore_failure && !one.as_root && one.expand) return words(one.argv);
    std::string out = "{ command = " + words(one.argv);
    if (one.ignore_failure) out += ", ignore-failure = true";
    if (one.as_root) out += ", as-root = true";
    if (!one.expand) out += ", no-expand = true";
    return out + " }";
}

// Gathers keys of one table.
class Table {
public:
    Table(std::string name, std::vector<WrittenKey>& out) : name_{std::move(name)}, out_{out} {}

    void raw(std::string_view key, std::string value) {
        out_.push_back({name_ + "." + std::string{key}, std::move(value)});
    }
    void flag(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
    void number(std::string_view key, std::uint64_t value) { raw(key, std::to_string(value)); }
    void word(std::string_view key, std::string_view value) { raw(key, quoted(value)); }
    void text(std::string_view key, std::string_view value) {
        if (!value.empty()) word(key, value);
    }
    void time(std::string_view key, Duration value) { word(key, to_string(value)); }
    void list(std::string_view key, const std::vector<std::string>& value) {
        if (!value.empty()) raw(key, words(value));
    }
    void predicates(std::string_view key, const std::vector<Predicate>& value) {
        if (!value.empty()) raw(key, list_of(value, predicate));
    }
    void ends(std::string_view key, const ExitStatusSet& set) {
        std::vector<std::string> all;
        for (const std::uint8_t code : set.codes) all.push_back(std::to_string(code));
        for (const std::uint8_t signal : set.signals) all.push_back(quoted(signal_word(signal)));
        if (!all.empty()) raw(key, list_of(all, [](const std::string& each) { return each; }));
    }

private:
    std::string name_;
    std::vector<WrittenKey>& out_;
};

void write_links(Table& to, const std::vector<Link>& links) {
    for (int i = 0; i <= static_cast<int>(Relation::required_by); ++i) {
        const auto relation = static_cast<Relation>(i);
        std::vector<std::string> all;
        for (const Link& link : links) {
            if (link.relation != relation) continue;
            all.push_back(link.ordered ? quoted(link.unit)
                                       : "{ unit = " + quoted(link.unit) + ", order = \"none\" }");
        }
        if (!all.empty())
            to.raw(to_string(relation), list_of(all, [](const std::string& each) { return each; }));
    }
}

void write_unit(Table to, const UnitFile& unit) {
    to.text("description", unit.description);
    to.list("aliases", unit.aliases);
    write_links(to, unit.links);
    to.flag("enabled", unit.enabled);
    to.flag("stop-when-unneeded", unit.stop_when_unneeded);
    to.flag("ignore-on-isolate", unit.ignore_on_isolate);
    to.flag("refuse-manual-start", unit.refuse_manual_start);
    to.flag("refuse-manual-stop", unit.refuse_manual_stop);
    to.time("wait-timeout", unit.wait_timeout);
    to.predicates("gate", unit.predicates->gate);
    to.predicates("condition", unit.predicates->condition);
    to.predicates("assert", unit.predicates->assertion);
    constexpr std::array<std::string_view, 3> lost{"ignore", "stop", "restart"};
    to.word("gate-lost", lost[static_cast<std::size_t>(unit.predicates->gate_lost)]);
    to.list("sets", unit.sets);
}

void write_commands(Table& to, const std::vector<Command>& commands) {
    for (int i = 0; i <= static_cast<int>(Phase::stop_post); ++i) {
        const auto phase = static_cast<Phase>(i);
        std::vector<std::string> all;
        for (const Command& each : commands)
            if (each.phase == phase) all.push_back(command(each));
        if (all.size() == 1 && all.front().starts_with('['))
            to.raw(to_string(phase), all.front());
        else if (!all.empty())
            to.raw(to_string(phase), list_of(all, [](const std::string& each) { return each; }));
    }
}

void write_surroundings(Table& to, const Surroundings& around) {
    std::vector<std::string> files;
    for (const EnvironmentFile& file : around.environment_files)
        files.push_back((file.optional ? "-" : "") + file.path);
    for (const auto& [name, value] : around.environment) to.word("environment." + name, value);
    to.list("environment-file", files);
    to.text("working-directory", around.working_directory);
    to.text("user", around.user);
    to.text("group", around.group);
    if (around.umask) to.raw("umask", octal(*around.umask));
    if (around.nofile) to.number("limits.nofile", *around.nofile);
    to.list("runtime-directory", around.runtime_directory);
    to.list("state-directory", around.state_directory);
}

void write_limit(Table& to, const Limit& limit) {
    if (limit.starts != 0) to.number("limit.starts", limit.starts);
    if (limit.within != Duration::zero()) to.time("limit.within", limit.within);
    switch (limit.then) {
        case Limit::Then::nothing: break;
        case Limit::Then::event: to.word("limit.then", "event:" + limit.argument); break;
        case Limit::Then::start: to.word("limit.then", "start " + limit.argument); break;
        case Limit::Then::reboot: to.word("limit.then", "reboot"); break;
        case Limit::Then::stop: to.word("limit.then", "stop"); break;
    }
}

void write_service(Table to, const Service& service) {
    to.word("type", to_string(service.type));
    write_commands(to, service.commands);
    write_surroundings(to, *service.surroundings);
    to.flag("daemonic", service.daemonic);
    to.flag("children", service.children);
    to.word("restart", to_string(service.restart));
    to.time("backoff.first", service.backoff->first);
    to.raw("backoff.factor", decimal(service.backoff->factor));
    to.time("backoff.max", service.backoff->max);
    to.time("backoff.reset-after", service.backoff->reset_after);
    write_limit(to, *service.limit);
    to.ends("success-exit-status", service.exits->success);
    to.ends("restart-prevent-exit-status", service.exits->restart_prevent);
    to.ends("restart-force-exit-status", service.exits->restart_force);
    to.flag("remain-after-exit", service.remain_after_exit);
    to.text("pid-file", service.pid_file);
    if (service.ready_fd >= 0) to.number("ready-fd", static_cast<std::uint64_t>(service.ready_fd));
    to.word("notify-access", to_string(service.notify_access));
    to.time("start-timeout", service.start_timeout);
    to.time("stop-timeout", service.stop_timeout);
    to.time("run-timeout", service.run_timeout);
    if (service.watchdog != Duration::zero()) to.time("watchdog", service.watchdog);
    to.word("kill-mode", to_string(service.kill_mode));
    to.word("kill-signal", signal_word(service.kill_signal));
    to.flag("ignore-sigpipe", service.ignore_sigpipe);
}

void write_log(Table to, const LogSpec& log) {
    std::vector<std::string> sinks;
    if (log.file) sinks.emplace_back("file");
    if (log.memory) sinks.emplace_back("memory");
    to.raw("to", sinks.empty() ? "[\"none\"]" : words(sinks));
    if (log.ring != 0) to.word("memory", size_word(log.ring));
    to.word("max-size", size_word(log.max_size));
    to.number("keep", log.keep);
    if (log.join_stderr) to.word("stderr", "stdout");
}

}  // namespace

std::vector<WrittenKey> written(const UnitFile& unit) {
    std::vector<WrittenKey> out{{"kind", std::string{to_string(unit.kind)}}};
    write_unit({"unit", out}, unit);
    if (unit.service) {
        write_service({"service", out}, *unit.service);
        write_log({"log", out}, *unit.log);
    }
    if (unit.kind == Kind::device) Table{"device", out}.number("capacity", unit.device.capacity);
    std::vector<std::string> leases;
    for (const Lease& lease : unit.leases) leases.push_back(lease.device);
    Table{"hal", out}.list("lease", leases);
    Table{"access", out}.list("control", unit.control);
    std::ranges::sort(out, {}, &WrittenKey::key);
    return out;
}

std::vector<KeyChange> changed_keys(const UnitFile& was, const UnitFile& is) {
    std::vector<KeyChange> out;
    auto olds = written(was);
    auto news = written(is);
    auto a = olds.begin();
    auto b = news.begin();
    while (a != olds.end() || b != news.end()) {
        if (b == news.end() || (a != olds.end() && a->key < b->key)) {
            out.push_back({a->key, std::move(a->value), {}});
            ++a;
        } else if (a == olds.end() || b->key < a->key) {
            out.push_back({b->key, {}, std::move(b->value)});
            ++b;
        } else {
            if (a->value != b->value)
                out.push_back({a->key, std::move(a->value), std::move(b->value)});
            ++a;
            ++b;
        }
    }
    return out;
}

}  // namespace reeve::units
