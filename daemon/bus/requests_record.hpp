// Changes of the requests as bytes, for a journal. The first number of each is the layout: a
// successor refuses what it does not know.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/bus/outcome.hpp"
#include "units/archive.hpp"

namespace reeve::bus {

inline constexpr std::uint8_t record_layout = 1;

enum class Change : std::uint8_t {
    opened,     // id, uid, key, subject
    ended,      // id, outcome
    forgotten,  // id
};
constexpr Change last_of(Change) noexcept {
    return Change::forgotten;
}

// For archive::Writer and archive::Reader alike.
template <class Archive, class AnySubject>
void archive_subject(Archive& archive, AnySubject& subject) {
    archive(subject.asked, subject.shape, subject.names);
}

template <class Archive, class AnyResult>
void archive_result(Archive& archive, AnyResult& one) {
    archive(one.unit, one.state, one.run, one.exit.code, one.exit.signal, one.exit.core_dumped,
            one.exit.unknown, one.result);
}

template <class Archive, class AnyOutcome>
void archive_outcome(Archive& archive, AnyOutcome& outcome) {
    archive(outcome.error, outcome.text, outcome.state, outcome.run, outcome.applied, outcome.pid,
            outcome.names);
    std::size_t count = outcome.results.size();
    archive(count);
    for (std::size_t i = 0; i < count; ++i) {
        if constexpr (!std::is_const_v<AnyOutcome>) outcome.results.emplace_back();
        archive_result(archive, outcome.results[i]);
    }
}

std::string opened(core::RequestId id, uid_t uid, const std::string& key, const Subject& subject);
std::string ended(core::RequestId id, const Outcome& outcome);
std::string forgotten(core::RequestId id);

}  // namespace reeve::bus
