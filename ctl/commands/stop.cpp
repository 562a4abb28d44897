// stop: first says what goes with it.
#include <algorithm>

#include "ctl/change.hpp"
#include "ctl/commands/verbs.hpp"
#include "ctl/text.hpp"

namespace reeve::ctl::commands {

namespace {

// What else goes, in the order it goes. Names that are not known are left to the request.
std::vector<std::string> goes_with(Context& context, const std::vector<std::string>& units) {
    std::vector<Request> requests(units.size());
    for (std::size_t i = 0; i < units.size(); ++i) {
        requests[i].member = "GoesWith";
        requests[i].arguments = {units[i]};
    }
    context.client().perform(requests);
    std::vector<std::string> others;
    for (const Request& request : requests) {
        if (request.reply.empty()) continue;
        auto going = request.reply.front().words();
        if (!going.empty()) going.pop_back();  // itself, perhaps by another name
        for (auto& name : going) {
            const bool known = std::find(others.begin(), others.end(), name) != others.end() ||
                               std::find(units.begin(), units.end(), name) != units.end();
            if (!known) others.push_back(std::move(name));
        }
    }
    return others;
}

}  // namespace

int stop(Context& context) {
    const auto& units = context.arguments.words;
    if (!context.quiet() && !context.json()) {
        const auto others = goes_with(context, units);
        if (!others.empty()) {
            context.line("stops with it: " + join(others, ", "));
            context.screen.flush();  // before it happens
        }
    }
    return carry_out(context, {"Stop", "stopping"}, units);
}

}  // namespace reeve::ctl::commands
