#include "daemon/journal/snapshot.hpp"

#include "units/archive.hpp"
#include "units/unit_archive.hpp"

namespace reeve::journal {

namespace {

constexpr std::string_view magic = "reeve snapshot 2";

}  // namespace

std::string to_bytes(const Snapshot& snapshot) {
    const auto& [definitions, engine, shell] = snapshot;
    archive::Writer out;
    out(magic, definitions, engine, shell);
    return out.take();
}

Snapshot snapshot_from_bytes(std::string_view bytes) {
    auto in = archive::Reader::of_whole(bytes);
    if (in.read<std::string>() != magic)
        throw std::invalid_argument{"saved snapshot: unknown version"};
    Snapshot snapshot;
    auto& [definitions, engine, shell] = snapshot;
    in(definitions, engine, shell);
    in.finish();
    return snapshot;
}

}  // namespace reeve::journal
