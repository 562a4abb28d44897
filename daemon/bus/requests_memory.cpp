// The requests as a predecessor leaves them: saved, recorded, taken over.
#include <algorithm>
#include <set>

#include "daemon/bus/requests.hpp"
#include "daemon/bus/requests_record.hpp"

namespace reeve::bus {

namespace {

using archive::Reader;
using archive::Writer;

void check_layout(Reader& in) {
    if (const auto layout = in.read<std::uint8_t>(); layout != record_layout) {
        throw std::invalid_argument{"requests: layout " + std::to_string(layout) +
                                    " is not known, only " + std::to_string(record_layout)};
    }
}

Writer begin(Change change, core::RequestId id) {
    Writer out;
    out(record_layout, change, id);
    return out;
}

void require(bool good, const char* what) {
    if (!good) throw std::invalid_argument{std::string{"requests: "} + what};
}

}  // namespace

std::string opened(core::RequestId id, uid_t uid, const std::string& key, const Subject& subject) {
    Writer out = begin(Change::opened, id);
    out(uid, key);
    archive_subject(out, subject);
    return out.finish();
}

std::string ended(core::RequestId id, const Outcome& outcome) {
    Writer out = begin(Change::ended, id);
    archive_outcome(out, outcome);
    return out.finish();
}

std::string forgotten(core::RequestId id) {
    return begin(Change::forgotten, id).finish();
}

std::string Requests::save() const {
    Writer out;
    out(record_layout, last_id_, pending_.size());
    for (const auto& [id, pending] : pending_) {
        out(id, pending.uid, pending.key);
        archive_subject(out, pending.subject);
    }
    out(keys_.size());
    for (const std::string& key : keys_) {
        const Remembered& one = remembered_.find(key)->second;
        out(key, one.pending, one.outcome.has_value());
        archive_subject(out, one.subject);
        if (one.outcome) archive_outcome(out, *one.outcome);
    }
    return out.finish();
}

void Requests::load(std::string_view saved) {
    Reader in{saved};
    check_layout(in);
    Requests fresh{backend_};
    in(fresh.last_id_);
    for (auto left = in.read<std::size_t>(); left > 0; --left) {
        const auto id = in.read<core::RequestId>();
        Pending pending;
        in(pending.uid, pending.key);
        archive_subject(in, pending.subject);
        ++fresh.pending_of_[pending.uid];
        require(fresh.pending_.emplace(id, std::move(pending)).second, "one id waits twice");
    }
    for (auto left = in.read<std::size_t>(); left > 0; --left) {
        const auto key = in.read<std::string>();
        Remembered one;
        in(one.pending);
        const bool answered = in.read<bool>();
        archive_subject(in, one.subject);
        if (answered) archive_outcome(in, one.outcome.emplace());
        require(fresh.remembered_.emplace(key, std::move(one)).second, "one id is known twice");
        fresh.keys_.push_back(key);
    }
    in.finish();
    fresh.check();
    last_id_ = fresh.last_id_;
    pending_ = std::move(fresh.pending_);
    pending_of_ = std::move(fresh.pending_of_);
    remembered_ = std::move(fresh.remembered_);
    keys_ = std::move(fresh.keys_);
}

// What is pending with a key is remembered as pending, and the other way round.
void Requests::check() const {
    std::size_t with_key = 0;
    for (const auto& [id, pending] : pending_) {
        require(static_cast<std::uint64_t>(id) <= last_id_, "an id from the future");
        if (pending.key.empty()) continue;
        ++with_key;
        const auto found = remembered_.find(pending.key);
        require(found != remembered_.end() && !found->second.outcome && found->second.pending == id,
                "one that waits is not remembered");
    }
    const auto open = std::ranges::count_if(
        remembered_, [](const auto& entry) { return !entry.second.outcome.has_value(); });
    require(static_cast<std::size_t>(open) == with_key, "one that is remembered does not wait");
}

void Requests::replay(std::string_view bytes) {
    Reader in{bytes};
    check_layout(in);
    const auto change = in.read<Change>();
    const auto id = in.read<core::RequestId>();
    require(change == Change::opened ? static_cast<std::uint64_t>(id) > last_id_
                                     : pending_.contains(id),
            "out of order");
    switch (change) {
        case Change::opened: {
            Pending pending;
            in(pending.uid, pending.key);
            archive_subject(in, pending.subject);
            in.finish();
            require(!remembered_.contains(pending.key), "one id is opened twice");
            add(id, std::move(pending));
            return;
        }
        case Change::ended: {
            Outcome outcome;
            archive_outcome(in, outcome);
            in.finish();
            settle(id, std::move(outcome));
            return;
        }
        case Change::forgotten:
            in.finish();
            drop(id);
            return;
    }
}

void Requests::drop(core::RequestId id) {
    const Pending pending = take(id);
    if (pending.key.empty()) return;
    remembered_.erase(pending.key);
    std::erase(keys_, pending.key);
}

void Requests::resume() {
    const std::vector<core::RequestId> awaited = backend_.engine().awaited();
    std::vector<core::RequestId> never_came, deserted;
    for (const auto& [id, pending] : pending_) {
        if (!std::ranges::binary_search(awaited, id)) {
            never_came.push_back(id);
        } else if (pending.key.empty() && pending.waiters.empty()) {
            deserted.push_back(id);
        }
    }
    for (const core::RequestId id : never_came) {
        if (record_) record_(forgotten(id));
        drop(id);
    }
    for (const core::RequestId id : deserted) cancel(id);
    // Cancelled here, but the predecessor did not come to tell the core.
    for (const core::RequestId id : awaited) {
        if (!pending_.contains(id) && !std::ranges::binary_search(deserted, id)) {
            backend_.submit(core::CancelRequest{id});
        }
    }
}

}  // namespace reeve::bus
