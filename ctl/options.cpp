#include "ctl/options.hpp"

#include <charconv>

#include "ctl/failure.hpp"

namespace reeve::ctl {

namespace {

using enum OptionSpec::Takes;

constexpr OptionSpec table[] = {
    {Opt::socket, "--socket", 0, a_value, "PATH", "private socket of the manager"},
    {Opt::system, "--system", 0, nothing, "", "the manager of the system (/run/reeve)"},
    {Opt::user, "--user", 0, nothing, "", "the manager of this user ($XDG_RUNTIME_DIR/reeve)"},
    {Opt::bus, "--bus", 0, a_value, "BUS", "through a message bus: system, session or an address"},
    {Opt::host, "--host", 'H', a_value, "USER@HOST", "the manager of another machine, through ssh"},
    {Opt::root, "--root", 0, a_value, "DIR", "act on the files below DIR, without a manager"},
    {Opt::unit_path, "--unit-path", 0, a_value, "DIR", "folder of unit files (may be repeated)"},
    {Opt::json, "--json", 0, nothing, "", "print JSON"},
    {Opt::quiet, "--quiet", 'q', nothing, "", "print errors only"},
    {Opt::help, "--help", 'h', nothing, "", "print this"},
    {Opt::version, "--version", 0, nothing, "", "print versions"},
    {Opt::timeout, "--timeout", 't', a_value, "T", "wait so long at most: 500ms, 10s, infinity"},
    {Opt::state, "--state", 0, a_value, "S[,S]", "only units in these states"},
    {Opt::kind, "--kind", 0, a_value, "K[,K]", "only units of these kinds"},
    {Opt::property, "--property", 'p', a_value, "P[,P]", "only these properties"},
    {Opt::value_only, "--value", 0, nothing, "", "print values without their names"},
    {Opt::reverse, "--reverse", 0, nothing, "", "only what depends on the unit"},
    {Opt::lines, "--lines", 'n', a_value, "N", "the last N lines"},
    {Opt::follow, "--follow", 'f', nothing, "", "go on printing what comes"},
    {Opt::run, "--run", 0, a_value, "R", "only this run"},
    {Opt::name, "--name", 0, a_value, "NAME", "name of the unit; else one is made up"},
    {Opt::wait, "--wait", 0, maybe_duration, "[T]",
     "stay until the command ends; T: wait so long at most for its leases"},
    {Opt::with, "--with", 0, a_value, "DEV[,DEV]", "hold these devices while it runs; stays"},
    {Opt::background, "--background", 0, nothing, "", "do not stay, although --with is given"},
    {Opt::description, "--description", 0, a_value, "TEXT", "one line for people"},
    {Opt::as_user, "--uid", 0, a_value, "USER", "run as this user (root only)"},
    {Opt::as_group, "--gid", 0, a_value, "GROUP", "run as this group (root only)"},
    {Opt::directory, "--directory", 0, a_value, "DIR", "working directory; else the present one"},
    {Opt::signal, "--signal", 's', a_value, "SIG",
     "TERM, SIGTERM, 15; kill sends KILL unless told"},
    {Opt::whom, "--whom", 0, a_value, "WHOM", "main (the main process) or all"},
    {Opt::now, "--now", 0, nothing, "", "do not wait for units that are not daemonic"},
    {Opt::force, "--force", 0, nothing, "", "at once, whatever runs"},
    {Opt::at, "--at", 0, a_value, "TIME", "not in this version"},
    {Opt::cancel, "--cancel", 0, nothing, "", "not in this version"},
    {Opt::binary, "--binary", 0, a_value, "PATH", "the new reeved; else the same file again"},
    {Opt::dry_run, "--dry-run", 0, nothing, "", "tell what would be done, and do nothing"},
    {Opt::restart, "--restart", 0, nothing, "",
     "restart what runs with an older definition: all, or the named"},
    {Opt::no_restart, "--no-restart", 0, nothing, "",
     "let it run on until its next start (the default)"},
};

const OptionSpec* find_long(std::string_view name) {
    const OptionSpec* found = nullptr;
    for (const OptionSpec& spec : table) {
        if (spec.name == name) return &spec;
    }
    // An unambiguous beginning will do, as with getopt: "--time 5s".
    for (const OptionSpec& spec : table) {
        if (name.size() < 4 || !spec.name.starts_with(name)) continue;
        if (found != nullptr) return nullptr;
        found = &spec;
    }
    return found;
}

const OptionSpec* find_letter(char letter) {
    for (const OptionSpec& spec : table) {
        if (spec.letter == letter) return &spec;
    }
    return nullptr;
}

// One pass over the words; `next_` is the word to look at.
class Reader {
public:
    Reader(std::span<const char* const> words, Arguments& into) : words_{words}, into_{into} {}

    void read() {
        bool options = true;
        while (next_ < words_.size()) {
            const std::string_view word = words_[next_++];
            if (!options || word.size() < 2 || word.front() != '-') {
                take_word(word);
                if (into_.verb == "run" && !into_.words.empty()) options = false;
            } else if (word == "--") {
                options = false;
            } else if (word.starts_with("--")) {
                take_long(word);
            } else {
                take_letters(word.substr(1));
            }
        }
    }

private:
    void take_word(std::string_view word) {
        if (into_.verb.empty() && into_.words.empty()) {
            into_.verb = word;
        } else {
            into_.words.emplace_back(word);
        }
    }

    void take_long(std::string_view word) {
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        const OptionSpec* spec = find_long(name);
        if (spec == nullptr) {
            throw usage_error("unknown option " + std::string{name} + "; see reevectl --help");
        }
        if (equals == std::string_view::npos) return take_separate(*spec);
        if (spec->takes == nothing) {
            throw usage_error(std::string{spec->name} + " takes no value");
        }
        add(*spec, word.substr(equals + 1));
    }

    // "-f", "-n20", "-fn20"
    void take_letters(std::string_view letters) {
        while (!letters.empty()) {
            const OptionSpec* spec = find_letter(letters.front());
            if (spec == nullptr) {
                throw usage_error("unknown option -" + std::string{letters.substr(0, 1)} +
                                  "; see reevectl --help");
            }
            letters.remove_prefix(1);
            if (spec->takes == a_value && !letters.empty()) return add(*spec, letters);
            take_separate(*spec);
        }
    }

    void take_separate(const OptionSpec& spec) {
        const bool more = next_ < words_.size();
        if (spec.takes == maybe_duration && more && parse_duration(words_[next_])) {
            add(spec, words_[next_++]);
        } else if (spec.takes == a_value) {
            if (!more) {
                throw usage_error(std::string{spec.name} + " needs a value: " +
                                  std::string{spec.name} + " " + std::string{spec.value});
            }
            add(spec, words_[next_++]);
        } else {
            into_.given.push_back({spec.opt, {}, false});
        }
    }

    void add(const OptionSpec& spec, std::string_view value) {
        into_.given.push_back({spec.opt, std::string{value}, true});
    }

    std::span<const char* const> words_;
    Arguments& into_;
    std::size_t next_ = 0;
};

}  // namespace

std::span<const OptionSpec> option_table() noexcept {
    return table;
}

const OptionSpec& spec_of(Opt opt) noexcept {
    return table[static_cast<std::size_t>(opt)];
}

bool is_common(Opt opt) noexcept {
    return opt <= Opt::version;
}

Arguments Arguments::parse(std::span<const char* const> words) {
    Arguments arguments;
    Reader{words, arguments}.read();
    return arguments;
}

bool Arguments::has(Opt opt) const noexcept {
    for (const Given& one : given) {
        if (one.opt == opt) return true;
    }
    return false;
}

std::optional<std::string> Arguments::value(Opt opt) const {
    std::optional<std::string> last;
    for (const Given& one : given) {
        if (one.opt == opt && one.has_value) last = one.value;
    }
    return last;
}

std::vector<std::string> Arguments::list(Opt opt) const {
    std::vector<std::string> all;
    for (const Given& one : given) {
        if (one.opt != opt) continue;
        std::string_view rest = one.value;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (comma != 0) all.emplace_back(rest.substr(0, comma));
            rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        }
    }
    return all;
}

std::optional<Duration> Arguments::duration(Opt opt) const {
    const auto text = value(opt);
    if (!text) return std::nullopt;
    const auto duration = parse_duration(*text);
    if (!duration) {
        throw usage_error(std::string{spec_of(opt).name} + ": found \"" + *text +
                          "\", expected a duration such as 500ms, 10s, \"1min 30s\" or infinity");
    }
    return duration;
}

std::optional<std::uint64_t> Arguments::number(Opt opt) const {
    const auto text = value(opt);
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    if (error != std::errc{} || stop != end) {
        throw usage_error(std::string{spec_of(opt).name} + ": found \"" + *text +
                          "\", expected a number");
    }
    return number;
}

}  // namespace reeve::ctl
