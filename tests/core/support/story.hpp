// An engine with a shell that does nothing by itself: commands as text in, what happened out.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/core/engine.hpp"

namespace reeve::core::testing {

class Story {
public:
    // Executes one command line and returns the text of what happened. Definitions ("service …",
    // "target …") count from the first other command on, later ones from `apply` on.
    std::string run(const std::string& line);

    // Lets the test save and load the engine after each command.
    bool save_and_load = false;

    Engine engine;
    TimePoint now{};

private:
    struct Process {
        ProcessRef ref;
        units::Phase phase{};
    };
    std::string define(const std::string& line);
    std::string feed(const Event& event);
    std::string advance(Duration by);
    std::string text_of(const Action& action);
    std::string happen(const std::string& verb, std::istream& in);
    std::string ask(const std::string& verb, std::istream& in);
    std::string show(const std::string& verb, std::istream& in);
    std::string apply();
    Process take(const std::string& unit, const std::string& which);
    [[nodiscard]] UnitId id(const std::string& name) const;
    [[nodiscard]] std::string name(UnitId unit) const;

    std::map<std::string, units::UnitPtr> definitions_;
    std::map<std::string, units::UnitPtr> of_runs_;
    std::map<std::string, units::UnitPtr> transient_;
    std::set<std::string> masked_;
    std::vector<std::string> restart_;
    bool applied_ = false;
    std::uint64_t requests_ = 0;
    std::map<std::string, std::vector<Process>> alive_;
    std::map<std::string, Exited> last_exit_;
    std::map<UnitId, std::string> names_;
};

}  // namespace reeve::core::testing
