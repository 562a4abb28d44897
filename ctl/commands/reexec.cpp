// reexec: another manager takes the place of the one that runs; nothing it runs notices.
#include <cstdlib>
#include <memory>

#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"

namespace reeve::ctl::commands {

namespace {

// The manager has another working directory. On another machine the path is taken as it is.
std::string binary_of(const Context& context) {
    const std::string given = context.arguments.value(Opt::binary).value_or("");
    if (given.empty() || !context.place.host.empty()) return given;
    const std::unique_ptr<char, decltype(&::free)> path{::realpath(given.c_str(), nullptr),
                                                        &::free};
    if (!path) throw usage_error("--binary: there is no file " + given);
    return path.get();
}

}  // namespace

int reexec(Context& context) {
    Request request;
    request.member = "ReExec";
    // Answered by the new manager: the connection is lost on the way and made again.
    request.arguments = {binary_of(context),
                         Argument::dictionary().set("id", "s", Client::new_id())};
    const auto reply = context.client().call(std::move(request));
    const std::string version{reply.at(0).text()};
    if (!context.quiet()) {
        context.line("reeved " + version + ", pid " + std::to_string(reply.at(1).natural()));
    }
    context.print_json(Value{}.set("version", version).set("pid", reply.at(1)));
    return code::done;
}

}  // namespace reeve::ctl::commands
