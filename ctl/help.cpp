#include "ctl/help.hpp"

#include "ctl/text.hpp"

namespace reeve::ctl {

namespace {

constexpr std::size_t left = 26;  // columns of what is explained

std::string explained(std::string what, std::string_view help) {
    what.insert(0, "  ");
    if (width(what) + 1 > left) what += "\n" + std::string(left, ' ');
    return pad(std::move(what), left) + std::string{help} + "\n";
}

std::string option_line(Opt opt) {
    const OptionSpec& spec = spec_of(opt);
    std::string what;
    if (spec.letter != 0) what = std::string{"-"} + spec.letter + ", ";
    what += spec.name;
    if (!spec.value.empty()) what += " " + std::string{spec.value};
    return explained(std::move(what), spec.help);
}

std::string common_options() {
    std::string out = "\nOptions, before or after the verb:\n";
    for (const OptionSpec& spec : option_table()) {
        if (is_common(spec.opt)) out += option_line(spec.opt);
    }
    return out;
}

}  // namespace

std::string help_text() {
    std::string out =
        "Usage: reevectl [OPTION…] VERB [OPERAND…]\n"
        "Controls reeved, the service manager.\n\nVerbs:\n";
    for (const Command& command : command_table()) {
        std::string what{command.verb};
        if (!command.operands.empty()) what += " " + std::string{command.operands};
        out += explained(std::move(what), command.help);
    }
    return out + common_options() +
           "\n`reevectl VERB --help` tells the options of a verb; see also reevectl(1).\n";
}

std::string help_text(const Command& command) {
    std::string out = "Usage: reevectl [OPTION…] " + std::string{command.verb};
    if (!command.operands.empty()) out += " " + std::string{command.operands};
    out += "\n" + std::string{command.help} + "\n";
    if (!command.options.empty()) out += "\nOptions of " + std::string{command.verb} + ":\n";
    for (const Opt opt : command.options) out += option_line(opt);
    return out + common_options();
}

}  // namespace reeve::ctl
