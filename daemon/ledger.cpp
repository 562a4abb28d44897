#include "daemon/ledger.hpp"

#include <atomic>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include "daemon/os/loop.hpp"
#include "hal/posix/crash_point.hpp"
#include "hal/posix/log.hpp"

namespace reeve {

std::optional<Ledger::Past> Ledger::recover() {
    if (custodian_ == nullptr) return {};
    state::Header& header = custodian_->header();
    journal::Recovered found;
    std::optional<Past> past;
    try {
        found = journal::recover(custodian_->state_fd(), header);
        if (found.snapshot) past.emplace().snapshot = journal::snapshot_from_bytes(*found.snapshot);
    } catch (const std::system_error&) {
        throw;  // it cannot be read now: the next manager tries again
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& e) {
        log::error("the state of the manager before cannot be used: {}", e.what());
        past.reset();
        found = {};
    }
    if (found.torn)
        log::warn("the state is damaged after event {}: what came later is found out anew",
                  found.last());
    open(found);
    if (!past) return {};
    const std::uint64_t progress = std::atomic_ref{header.progress}.load();
    past->done = progress >> state::actions_bits;
    past->begun = static_cast<std::uint32_t>(progress & ((1U << state::actions_bits) - 1));
    past->since = std::move(found.events);
    return past;
}

void Ledger::begin_anew() {
    if (custodian_ != nullptr) open({});
}

void Ledger::open(const journal::Recovered& found) {
    state::Header& header = custodian_->header();
    posix::crash_here_by(header.kill_at, header.kill_skip);
    journal_.emplace(custodian_->state_fd(), header, found);
}

void Ledger::forget_past() {
    if (journal_) journal_->forget();
}

std::uint64_t Ledger::record(const core::Event& event, core::TimePoint at) {
    if (!journal_) return 0;
    const auto [number, error] = journal_->append(event, at);
    posix::crash_point(posix::CrashPoint::event_recorded);
    if (error != 0) say(error);
    return number;
}

void Ledger::note(std::string_view bytes) {
    if (!journal_) return;
    if (const int error = journal_->append_note(bytes, os::Loop::now()).error; error != 0)
        say(error);
    posix::crash_point(posix::CrashPoint::note_recorded);
}

void Ledger::begins(std::uint64_t event, std::uint32_t actions) noexcept {
    if (actions > 1) posix::crash_point(posix::CrashPoint::action_done);
    progress(state::progress_of(event - 1, actions));
    posix::crash_point(posix::CrashPoint::action_begun);
}

void Ledger::done(std::uint64_t event) noexcept {
    progress(state::progress_of(event, 0));
    posix::crash_point(posix::CrashPoint::event_done);
}

void Ledger::progress(std::uint64_t word) noexcept {
    if (journal_) std::atomic_ref{custodian_->header().progress}.store(word);
}

bool Ledger::wants_snapshot() const {
    return journal_ && journal_->due(os::Loop::now());
}

void Ledger::take(const journal::Snapshot& snapshot) {
    if (!journal_) return;
    const int error = journal_->compact(to_bytes(snapshot), {}, os::Loop::now());
    posix::crash_point(posix::CrashPoint::snapshot_taken);
    if (error != 0) return say(error);
    if (std::exchange(fell_behind_, false)) log::info("the state outlives the manager again");
}

void Ledger::say(int error) {
    if (std::exchange(fell_behind_, true)) return;
    log::error(
        "the state cannot be stored ({}): if the manager dies now, it is not known; free "
        "memory",
        std::strerror(error));
}

}  // namespace reeve
