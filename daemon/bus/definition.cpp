#include "daemon/bus/definition.hpp"

#include <cstdint>
#include <limits>

#include "daemon/bus/append.hpp"

namespace reeve::bus {

namespace {

using units::Phase;

// One a{sv} being written.
class Writer {
public:
    explicit Writer(sd_bus_message* message) : message_{message} {}

    void text(const char* key, std::string_view value) {
        if (value.empty()) return;
        append_entry(message_, key, "s", [&] { append_text(message_, value); });
    }
    void list(const char* key, const std::vector<std::string>& value) {
        if (value.empty()) return;
        append_entry(message_, key, "as", [&] { append_list(message_, value); });
    }
    void flag(const char* key, bool value) {
        append_entry(message_, key, "b", [&] { append(message_, "b", value ? 1 : 0); });
    }
    void number(const char* key, std::uint64_t value) {
        append_entry(message_, key, "t", [&] { append(message_, "t", value); });
    }
    void time(const char* key, units::Duration value) {
        number(key, value == units::infinity ? std::numeric_limits<std::uint64_t>::max()
                                             : static_cast<std::uint64_t>(value.count()));
    }
    void predicates(const char* key, const std::vector<units::Predicate>& value) {
        std::vector<std::string> written;
        for (const units::Predicate& one : value) written.push_back(to_string(one));
        list(key, written);
    }
    void links(const std::vector<units::Link>& value) {
        if (value.empty()) return;
        append_entry(message_, "links", "a(ssb)", [&] {
            append_container(message_, 'a', "(ssb)", [&] {
                for (const units::Link& link : value) {
                    append(message_, "(ssb)", std::string{to_string(link.relation)}.c_str(),
                           link.unit.c_str(), link.ordered ? 1 : 0);
                }
            });
        });
    }
    void commands(Phase phase, const std::vector<units::Command>& all) {
        append_entry(message_, std::string{to_string(phase)}.c_str(), "aas", [&] {
            append_container(message_, 'a', "as", [&] {
                for (const units::Command& command : all) {
                    if (command.phase == phase) append_list(message_, command.argv);
                }
            });
        });
    }
    void environment(const std::map<std::string, std::string>& all) {
        if (all.empty()) return;
        append_entry(message_, "environment", "a{ss}", [&] {
            append_container(message_, 'a', "{ss}", [&] {
                for (const auto& [name, value] : all) {
                    append(message_, "{ss}", name.c_str(), value.c_str());
                }
            });
        });
    }

private:
    sd_bus_message* message_;
};

constexpr Phase phases[] = {Phase::start_pre, Phase::main, Phase::start_post,
                            Phase::reload,    Phase::stop, Phase::stop_post};

void write_secrets(Writer& to, const units::Service& service, bool all) {
    std::vector<std::string> withheld;
    for (const Phase phase : phases) {
        bool any = false;
        for (const units::Command& command : service.commands) any |= command.phase == phase;
        if (any && all) to.commands(phase, service.commands);
        if (any && !all) withheld.emplace_back(to_string(phase));
    }
    const units::Surroundings& surroundings = *service.surroundings;
    std::vector<std::string> files;
    for (const units::EnvironmentFile& file : surroundings.environment_files) {
        files.push_back((file.optional ? "-" : "") + file.path);
    }
    if (all) {
        to.environment(surroundings.environment);
        to.list("environment-file", files);
        return;
    }
    if (!surroundings.environment.empty()) withheld.emplace_back("environment");
    if (!files.empty()) withheld.emplace_back("environment-file");
    to.list("withheld", withheld);
}

void write_service(Writer& to, const units::Service& service) {
    const units::Surroundings& surroundings = *service.surroundings;
    to.text("type", to_string(service.type));
    to.text("restart", to_string(service.restart));
    to.text("kill-mode", to_string(service.kill_mode));
    to.text("notify-access", to_string(service.notify_access));
    to.text("pid-file", service.pid_file);
    to.text("user", surroundings.user);
    to.text("group", surroundings.group);
    to.text("working-directory", surroundings.working_directory);
    to.list("runtime-directory", surroundings.runtime_directory);
    to.list("state-directory", surroundings.state_directory);
    if (surroundings.umask) to.number("umask", *surroundings.umask);
    if (surroundings.nofile) to.number("limits.nofile", *surroundings.nofile);
    to.flag("daemonic", service.daemonic);
    to.flag("children", service.children);
    to.flag("remain-after-exit", service.remain_after_exit);
    to.flag("ignore-sigpipe", service.ignore_sigpipe);
    to.number("kill-signal", service.kill_signal);
    if (service.ready_fd >= 0) to.number("ready-fd", static_cast<std::uint64_t>(service.ready_fd));
    to.time("start-timeout", service.start_timeout);
    to.time("stop-timeout", service.stop_timeout);
    to.time("run-timeout", service.run_timeout);
    if (service.watchdog.count() != 0) to.time("watchdog", service.watchdog);
}

void write_log(Writer& to, const units::LogSpec& log) {
    std::vector<std::string> sinks;
    if (log.file) sinks.emplace_back("file");
    if (log.memory) sinks.emplace_back("memory");
    to.list("log", sinks);
}

}  // namespace

void append_definition(sd_bus_message* message, const units::UnitFile* unit, bool all) {
    append_container(message, 'a', "{sv}", [&] {
        if (unit == nullptr) return;
        Writer to{message};
        to.text("kind", to_string(unit->kind));
        to.text("description", unit->description);
        to.list("files", unit->files);
        to.list("aliases", unit->aliases);
        to.flag("enabled", unit->enabled);
        to.flag("transient", unit->transient);
        to.flag("stop-when-unneeded", unit->stop_when_unneeded);
        to.flag("ignore-on-isolate", unit->ignore_on_isolate);
        to.flag("refuse-manual-start", unit->refuse_manual_start);
        to.flag("refuse-manual-stop", unit->refuse_manual_stop);
        to.time("wait-timeout", unit->wait_timeout);
        to.links(unit->links);
        to.predicates("gate", unit->predicates->gate);
        to.predicates("condition", unit->predicates->condition);
        to.predicates("assert", unit->predicates->assertion);
        to.list("sets", unit->sets);
        to.list("control", unit->control);
        std::vector<std::string> leases;
        for (const units::Lease& lease : unit->leases) leases.push_back(lease.device);
        to.list("leases", leases);
        if (unit->kind == units::Kind::device) to.number("capacity", unit->device.capacity);
        if (unit->service) {
            write_service(to, *unit->service);
            write_log(to, *unit->log);
            write_secrets(to, *unit->service, all);
        }
    });
}

}  // namespace reeve::bus
