#include <unistd.h>

#include <algorithm>
#include <exception>

#include "ctl/command.hpp"
#include "ctl/failure.hpp"
#include "ctl/help.hpp"
#include "ctl/json.hpp"
#include "ctl/text.hpp"
#include "units/names.hpp"

namespace reeve::ctl {

namespace {

void check_usage(const Command& command, const Arguments& arguments) {
    const std::string verb{command.verb};
    const std::string usage =
        verb + (command.operands.empty() ? "" : " " + std::string{command.operands});
    if (arguments.words.size() < command.least) {
        throw usage_error(verb + " needs an operand: reevectl " + usage);
    }
    if (arguments.words.size() > command.most) {
        throw usage_error(verb + ": one operand too many, \"" + arguments.words[command.most] +
                          "\": reevectl " + usage);
    }
    for (const auto& given : arguments.given) {
        if (is_common(given.opt)) continue;
        if (std::find(command.options.begin(), command.options.end(), given.opt) ==
            command.options.end()) {
            throw usage_error(verb + " does not know " + std::string{spec_of(given.opt).name} +
                              "; see reevectl " + verb + " --help");
        }
    }
}

const Command& command_of(const Arguments& arguments) {
    const Command* command = find_command(arguments.verb);
    if (command == nullptr) {
        std::vector<std::string_view> verbs;
        for (const Command& known : command_table()) verbs.push_back(known.verb);
        const auto near = units::nearest(arguments.verb, verbs);
        throw usage_error("no verb \"" + arguments.verb + "\"; " +
                          (near.empty() ? "" : "did you mean " + std::string{near} + "? ") +
                          "see reevectl --help");
    }
    return *command;
}

int print(const std::string& text, int fd, int exit_code) {
    write_all(fd, text, "write");
    return exit_code;
}

int dispatch(const Arguments& arguments) {
    if (arguments.has(Opt::version) && arguments.verb.empty()) {
        return print("reevectl " REEVE_VERSION "\n", STDOUT_FILENO, code::done);
    }
    if (arguments.verb.empty() || arguments.verb == "help") {
        if (!arguments.words.empty()) {
            Arguments wanted;
            wanted.verb = arguments.words.front();
            return print(help_text(command_of(wanted)), STDOUT_FILENO, code::done);
        }
        const bool asked = arguments.has(Opt::help) || arguments.verb == "help";
        return print(help_text(), asked ? STDOUT_FILENO : STDERR_FILENO,
                     asked ? code::done : code::usage);
    }
    const Command& command = command_of(arguments);
    if (arguments.has(Opt::help)) return print(help_text(command), STDOUT_FILENO, code::done);
    check_usage(command, arguments);
    Context context{arguments, Place::find(arguments)};
    const int result = command.run(context);
    context.screen.flush();
    return result;
}

int report(const Failure& failure, bool json) {
    if (json) {
        Value error;
        error.set("name", failure.name).set("message", failure.what());
        write_all(STDOUT_FILENO, to_json(Value{}.set("error", std::move(error))) + "\n", "write");
    }
    return print("reevectl: " + printable(failure.what()) + "\n", STDERR_FILENO, failure.code);
}

}  // namespace

int run_program(std::span<const char* const> words) {
    bool json = false;
    try {
        try {
            // In case the words cannot be parsed; what follows "--" is not for us.
            for (const std::string_view word : words) {
                if (word == "--") break;
                json = json || word == "--json";
            }
            const Arguments arguments = Arguments::parse(words);
            json = arguments.has(Opt::json);
            return dispatch(arguments);
        } catch (const Failure& failure) {
            return report(failure, json);
        } catch (const std::exception& e) {
            return report(Failure{code::failed, "Failed", e.what()}, json);
        }
    } catch (const std::exception&) {
        return code::failed;  // not even standard error can be written to
    }
}

}  // namespace reeve::ctl
