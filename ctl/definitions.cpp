#include "ctl/definitions.hpp"

namespace reeve::ctl {

units::LoadOptions load_options(const Place& place) {
    units::LoadOptions options;
    options.folders.assign(place.folders.begin(), place.folders.end());
    options.host = units::this_host();
    return options;
}

Value described(const units::UnitFile& unit) {
    Value links = Value::list();
    for (const units::Link& link : unit.links) {
        links.add(
            Value::list().add(units::to_string(link.relation)).add(link.unit).add(link.ordered));
    }
    return Value{}
        .set("Name", unit.name)
        .set("Kind", units::to_string(unit.kind))
        .set("Aliases", Value::strings(unit.aliases))
        .set("Links", std::move(links));
}

}  // namespace reeve::ctl
