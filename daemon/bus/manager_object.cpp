#include "daemon/bus/manager_object.hpp"

#include <unistd.h>

#include <map>

#include "daemon/bus/append.hpp"
#include "daemon/bus/manager_methods.hpp"
#include "hal/posix/callback.hpp"

namespace reeve::bus {

namespace {

template <Handler handler>
int on_call(sd_bus_message* message, void* connection, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        static_cast<Connection*>(connection)->serve(message, handler);
        return 1;  // answered, or will be
    });
}

int get_version(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                sd_bus_error*) noexcept {
    return sd_bus_message_append(reply, "s", REEVE_VERSION);
}

int get_pid(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
            sd_bus_error*) noexcept {
    return sd_bus_message_append(reply, "u", static_cast<std::uint32_t>(::getpid()));
}

int get_system(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
               void* connection, sd_bus_error*) noexcept {
    const bool system = static_cast<Connection*>(connection)->context().system;
    return sd_bus_message_append(reply, "b", system ? 1 : 0);
}

int get_unit_path(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                  void* connection, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        append_list(reply, static_cast<Connection*>(connection)->context().backend.unit_path());
        return 0;
    });
}

int get_rolled_back(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                    void* connection, sd_bus_error*) noexcept {
    const bool so = static_cast<Connection*>(connection)->context().backend.is_rolled_back();
    return sd_bus_message_append(reply, "b", so ? 1 : 0);
}

int get_counts(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
               void* connection, sd_bus_error* error) noexcept {
    return posix::answering(error, [&] {
        const core::Engine& engine =
            static_cast<Connection*>(connection)->context().backend.engine();
        std::map<core::State, std::uint32_t> counts;
        for (const core::UnitId unit : engine.all()) ++counts[engine.view(unit).state];
        append_container(reply, 'a', "{su}", [&] {
            for (const auto& [state, count] : counts) {
                append(reply, "{su}", std::string{to_string(state)}.c_str(), count);
            }
        });
        return 0;
    });
}

// Else sd-bus would ask the bus daemon who calls, and wait for it. We check ourselves.
constexpr std::uint64_t anyone = SD_BUS_VTABLE_UNPRIVILEGED;
constexpr std::uint64_t constant = SD_BUS_VTABLE_PROPERTY_CONST;

const sd_bus_vtable table[] = {
    SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::start>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::stop>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Restart", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::restart>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::reload>, anyone),
    SD_BUS_METHOD_WITH_ARGS("TryRestart", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::try_restart>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("Isolate", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_RESULT("s", state, "t", run), on_call<manager::isolate>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Kill",
                            SD_BUS_ARGS("s", unit, "s", signal, "s", whom, "a{sv}", options),
                            SD_BUS_NO_RESULT, on_call<manager::kill>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("as", units, "a{sv}", options),
                            SD_BUS_RESULT("a(sstiis)", results), on_call<manager::wait>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("s", name, "a{sv}", definition, "a{sv}", options),
                            SD_BUS_RESULT("s", unit, "o", path, "t", run), on_call<manager::run>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("s", unit, "a{sv}", options), SD_BUS_NO_RESULT,
                            on_call<manager::forget>, anyone),
    SD_BUS_METHOD_WITH_ARGS("ResetFailed", SD_BUS_ARGS("s", unit, "a{sv}", options),
                            SD_BUS_NO_RESULT, on_call<manager::reset_failed>, anyone),
    SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("a(ssssts)", units),
                            on_call<manager::list>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("as", units, "a{sv}", options),
                            SD_BUS_RESULT("aa{sv}", descriptions), on_call<manager::describe>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("Definition", SD_BUS_ARGS("s", unit),
                            SD_BUS_RESULT("a{sv}", definition), on_call<manager::definition>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("GetUnit", SD_BUS_ARGS("s", unit), SD_BUS_RESULT("o", path),
                            on_call<manager::get_unit>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Why", SD_BUS_ARGS("s", unit), SD_BUS_RESULT("a(sst)", reasons),
                            on_call<manager::why>, anyone),
    SD_BUS_METHOD_WITH_ARGS("GoesWith", SD_BUS_ARGS("s", unit), SD_BUS_RESULT("as", units),
                            on_call<manager::goes_with>, anyone),
    SD_BUS_METHOD_WITH_ARGS("SetEvent", SD_BUS_ARGS("s", event, "a{sv}", options), SD_BUS_NO_RESULT,
                            on_call<manager::set_event>, anyone),
    SD_BUS_METHOD_WITH_ARGS("ClearEvent", SD_BUS_ARGS("s", event, "a{sv}", options),
                            SD_BUS_RESULT("as", still_set_by), on_call<manager::clear_event>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("WaitEvent", SD_BUS_ARGS("s", event, "a{sv}", options),
                            SD_BUS_NO_RESULT, on_call<manager::wait_event>, anyone),
    SD_BUS_METHOD_WITH_ARGS("ListEvents", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sbbasas)", events),
                            on_call<manager::list_events>, anyone),
    SD_BUS_METHOD_WITH_ARGS("ListDevices", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssuasas)", devices),
                            on_call<manager::list_devices>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", report),
                            on_call<manager::plan>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Apply", SD_BUS_ARGS("a{sv}", options),
                            SD_BUS_RESULT("b", applied, "s", report), on_call<manager::apply>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_ARGS("a{sv}", options),
                            SD_BUS_RESULT("b", applied, "s", report), on_call<manager::rollback>,
                            anyone),
    SD_BUS_METHOD_WITH_ARGS("Logs", SD_BUS_ARGS("as", units, "a{sv}", options),
                            SD_BUS_RESULT("h", log), on_call<manager::logs>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Stats", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", stats),
                            on_call<manager::stats>, anyone),
    SD_BUS_METHOD_WITH_ARGS("Shutdown", SD_BUS_ARGS("s", how, "a{sv}", options), SD_BUS_NO_RESULT,
                            on_call<manager::shutdown>, anyone),
    SD_BUS_METHOD_WITH_ARGS("ReExec", SD_BUS_ARGS("s", binary, "a{sv}", options),
                            SD_BUS_RESULT("s", version, "u", pid), on_call<manager::re_exec>,
                            anyone),
    SD_BUS_SIGNAL_WITH_ARGS("UnitChanged",
                            SD_BUS_ARGS("s", unit, "s", from, "s", to, "t", run, "s", reason), 0),
    SD_BUS_SIGNAL_WITH_ARGS("UnitRemoved", SD_BUS_ARGS("s", unit), 0),
    SD_BUS_SIGNAL_WITH_ARGS("EventChanged", SD_BUS_ARGS("s", event, "b", set), 0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, constant),
    SD_BUS_PROPERTY("Pid", "u", get_pid, 0, constant),
    SD_BUS_PROPERTY("System", "b", get_system, 0, constant),
    SD_BUS_PROPERTY("UnitPath", "as", get_unit_path, 0, constant),
    SD_BUS_PROPERTY("RolledBack", "b", get_rolled_back, 0, 0),
    SD_BUS_PROPERTY("Counts", "a{su}", get_counts, 0, 0),
    SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* manager_vtable() {
    return table;
}

}  // namespace reeve::bus
