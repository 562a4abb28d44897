#include "ctl/options.hpp"

#include <gtest/gtest.h>

#include "ctl/command.hpp"
#include "ctl/failure.hpp"
#include "ctl/help.hpp"

using namespace reeve::ctl;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

Arguments parse(const std::vector<const char*>& words) {
    return Arguments::parse(words);
}

std::string complaint(const std::vector<const char*>& words) {
    try {
        parse(words);
    } catch (const Failure& failure) {
        return failure.code == code::usage ? failure.what() : "wrong code";
    }
    return "none";
}

}  // namespace

TEST(Options, StandBeforeOrAfterTheVerb) {
    for (const auto& words : {std::vector{"--json", "--timeout", "5s", "start", "a", "b"},
                              std::vector{"start", "a", "--timeout=5s", "b", "--json"},
                              std::vector{"-t5s", "start", "--json", "--", "a", "b"}}) {
        const Arguments arguments = parse(words);
        EXPECT_EQ(arguments.verb, "start");
        EXPECT_EQ(arguments.words, (Words{"a", "b"}));
        EXPECT_EQ(arguments.duration(Opt::timeout), 5s);
        EXPECT_TRUE(arguments.has(Opt::json));
    }
}

TEST(Options, OfTheCommandThatRunStartsAreItsOwn) {
    const Arguments arguments = parse({"run", "--wait", "ls", "--json", "-l"});
    EXPECT_EQ(arguments.words, (Words{"ls", "--json", "-l"}));
    EXPECT_FALSE(arguments.has(Opt::json));
    EXPECT_EQ(parse({"run", "--", "--odd"}).words, (Words{"--odd"}));
}

TEST(Options, WaitTakesTheNextWordOnlyIfItIsADuration) {
    EXPECT_EQ(parse({"run", "--wait", "200ms", "--", "true"}).duration(Opt::wait), 200ms);
    EXPECT_EQ(parse({"run", "--wait=1s", "true"}).duration(Opt::wait), 1s);
    const Arguments without = parse({"run", "--wait", "true"});
    EXPECT_TRUE(without.has(Opt::wait));
    EXPECT_FALSE(without.duration(Opt::wait));
    EXPECT_EQ(without.words, Words{"true"});
}

TEST(Options, ListsAreSplitAtCommasAndAddUp) {
    EXPECT_EQ(parse({"run", "--with", "a,b", "--with=c", "x"}).list(Opt::with),
              (Words{"a", "b", "c"}));
    EXPECT_TRUE(parse({"run", "x"}).list(Opt::with).empty());
}

TEST(Options, LettersMayStandTogether) {
    const Arguments arguments = parse({"logs", "-fn20", "web"});
    EXPECT_TRUE(arguments.has(Opt::follow));
    EXPECT_EQ(arguments.number(Opt::lines), 20U);
    EXPECT_EQ(arguments.words, Words{"web"});
}

TEST(Options, LongOnesMayBeShortenedWhileTheyAreClear) {
    EXPECT_EQ(parse({"start", "a", "--time", "1s"}).duration(Opt::timeout), 1s);
    EXPECT_EQ(complaint({"start", "--s", "a"}), "unknown option --s; see reevectl --help");
}

TEST(Options, AreComplainedAboutInOneSentence) {
    EXPECT_EQ(complaint({"start", "--frob"}), "unknown option --frob; see reevectl --help");
    EXPECT_EQ(complaint({"start", "-x"}), "unknown option -x; see reevectl --help");
    EXPECT_EQ(complaint({"start", "--json=yes"}), "--json takes no value");
    EXPECT_EQ(complaint({"start", "--timeout"}), "--timeout needs a value: --timeout T");
    EXPECT_THROW((void)parse({"start", "-t", "5"}).duration(Opt::timeout), Failure);
    EXPECT_THROW((void)parse({"logs", "-n", "-3"}).number(Opt::lines), Failure);
}

TEST(Options, TheTableIsInTheOrderOfTheEnumeration) {
    for (const OptionSpec& spec : option_table()) {
        EXPECT_EQ(spec_of(spec.opt).name, spec.name);
        EXPECT_FALSE(spec.help.empty()) << spec.name;
    }
}

TEST(Commands, EveryVerbHasHelpThatNamesItsOptions) {
    for (const Command& command : command_table()) {
        EXPECT_EQ(find_command(command.verb), &command);
        const std::string help = help_text(command);
        for (const Opt opt : command.options) {
            EXPECT_NE(help.find(spec_of(opt).name), std::string::npos) << command.verb;
        }
        EXPECT_NE(help_text().find("  " + std::string{command.verb}), std::string::npos);
    }
}
