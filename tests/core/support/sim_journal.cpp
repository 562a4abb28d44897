#include "tests/core/support/sim_journal.hpp"

#include <sys/mman.h>

#include "daemon/journal/snapshot.hpp"
#include "hal/posix/check.hpp"
#include "tests/core/support/sim_rules.hpp"

namespace reeve::sim {

using namespace core;

namespace {

std::string snapshot_of(const Engine& engine) {
    return to_bytes(journal::Snapshot{engine.definitions(), engine.save(), "runs"});
}

Engine engine_of(const std::string& bytes, const Settings& settings) {
    const auto snapshot = journal::snapshot_from_bytes(bytes);
    if (snapshot.shell != "runs") throw Violation{UnitId{}, "the snapshot has another shell"};
    return Engine::load(settings, snapshot.definitions, snapshot.engine);
}

std::string text_of(const std::vector<Action>& actions, const NameOf& name) {
    std::string text;
    for (const Action& action : actions) text += "    " + to_text(action, name) + '\n';
    return text;
}

}  // namespace

Engine through_bytes(const Engine& engine, const Settings& settings) {
    return engine_of(snapshot_of(engine), settings);
}

SimJournal::SimJournal(std::uint64_t seed, const Engine& engine)
    : random_{seed}, memory_{posix::check(::memfd_create("journal", MFD_CLOEXEC), "make a memfd")} {
    header_->magic = state::magic;
    header_->layout = state::layout_version;
    journal_ = std::make_unique<journal::Journal>(memory_.get(), *header_,
                                                  journal::recover(memory_.get(), *header_));
    compact(engine, {});
}

void SimJournal::compact(const Engine& engine, std::span<const journal::Entry> pending) {
    if (journal_->compact(snapshot_of(engine), pending, now_) != 0)
        throw Violation{UnitId{}, "the journal cannot be written"};
    done_.clear();
}

void SimJournal::told(const Engine& engine, const Event& event, TimePoint now) {
    now_ = now;
    const auto [sequence, error] = journal_->append(event, now);
    if (error != 0) throw Violation{UnitId{}, "the journal cannot be written"};
    if (!random_.one_in(300)) return;
    const journal::Entry pending{sequence, now, event};
    compact(engine, {&pending, 1});
}

void SimJournal::did(const Engine& engine, const std::vector<Action>& actions) {
    done_.push_back(actions);
    if (journal_->due(now_) || random_.one_in(300)) compact(engine, {});
}

Engine SimJournal::successor(const Settings& settings, const NameOf& name) {
    const auto found = journal::recover(memory_.get(), *header_);
    if (!found.snapshot || found.torn || found.events.size() != done_.size() ||
        found.last() != journal_->last())
        throw Violation{UnitId{}, "the journal lost events"};
    Engine engine = engine_of(*found.snapshot, settings);
    for (std::size_t i = 0; i < done_.size(); ++i) {
        const auto& entry = found.events[i];
        const auto again = text_of(engine.handle(entry.event, entry.at), name);
        const auto first = text_of(done_[i], name);
        if (again != first)
            throw Violation{UnitId{}, "the successor, told again\n" + to_text(entry.event, name) +
                                          "\nwould\n" + again + "where its predecessor did\n" +
                                          first};
    }
    journal_ = std::make_unique<journal::Journal>(memory_.get(), *header_, found);
    return engine;
}

}  // namespace reeve::sim
