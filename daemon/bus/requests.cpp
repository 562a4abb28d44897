#include "daemon/bus/requests.hpp"

#include <algorithm>

#include "daemon/bus/append.hpp"
#include "daemon/bus/refusal.hpp"
#include "daemon/bus/requests_record.hpp"

namespace reeve::bus {

namespace {

constexpr std::size_t ids_kept = 1'024;
constexpr std::size_t pending_limit = 1'024;  // of one user
constexpr std::uint64_t default_timeout = 20'000'000;

core::TimePoint deadline(core::TimePoint now, std::uint64_t timeout) {
    const auto left = static_cast<std::uint64_t>((core::TimePoint::max() - now).count());
    if (timeout >= left) return core::TimePoint::max();
    return now + core::Duration{static_cast<core::Duration::rep>(timeout)};
}

const char* error_name(core::Answer::Verdict verdict) {
    using Verdict = core::Answer::Verdict;
    switch (verdict) {
        case Verdict::done: return nullptr;
        case Verdict::failed: return api::error::failed;
        case Verdict::masked: return api::error::masked;
        case Verdict::unknown_unit: return api::error::no_such_unit;
        case Verdict::refused: return api::error::refused;
        case Verdict::still_waiting: return api::error::still_waiting;
        case Verdict::cancelled: return api::error::cancelled;
    }
    return api::error::failed;
}

// The core says what is so; here follows what to do about it.
std::string sentence(const Backend& backend, const core::Answer& answer, const Subject& subject) {
    const std::string unit = subject.names.empty() ? "" : subject.names.front();
    using Verdict = core::Answer::Verdict;
    const auto said = [&](const char* otherwise) {
        return answer.text.empty() ? std::string{otherwise} : answer.text;
    };
    switch (answer.verdict) {
        case Verdict::done: return {};
        case Verdict::failed:
            return said("failed") + "; `reevectl logs " + unit + "` shows what it printed";
        case Verdict::masked: return unit + " is masked; remove the mask and `reevectl apply`";
        case Verdict::unknown_unit: return unknown_unit_text(backend, unit);
        case Verdict::refused: return said("refused");
        case Verdict::still_waiting:
            if (subject.asked.starts_with("WaitEvent "))
                return said("the event") + " is not set yet";
            if (subject.shape == Shape::wait) return said("not there yet") + " still";
            return said("not there yet") + "; it stays asked, `reevectl why " + unit +
                   "` says more";
        case Verdict::cancelled:
            return said("another request overtook it") + "; ask again if it is still wanted";
    }
    return answer.text;
}

void append_results(sd_bus_message* message, const std::vector<WaitResult>& results) {
    append_container(message, 'a', "(sstiis)", [&] {
        for (const WaitResult& one : results) {
            const std::string state{to_string(one.state)};
            const std::string result{to_string(one.result)};
            append(message, "(sstiis)", one.unit.c_str(), state.c_str(),
                   static_cast<std::uint64_t>(one.run), one.exit.code, one.exit.signal,
                   result.c_str());
        }
    });
}

void append_outcome(sd_bus_message* message, const Subject& subject, const Outcome& outcome) {
    const auto run = static_cast<std::uint64_t>(outcome.run);
    switch (subject.shape) {
        case Shape::nothing: return;
        case Shape::state:
            append(message, "st", std::string{to_string(outcome.state)}.c_str(), run);
            return;
        case Shape::wait: append_results(message, outcome.results); return;
        case Shape::unit:
            append(message, "sot", outcome.text.c_str(),
                   object_path(api::path::unit, outcome.text).c_str(), run);
            return;
        case Shape::names: append_list(message, outcome.names); return;
        case Shape::applied:
            append(message, "bs", outcome.applied ? 1 : 0, outcome.text.c_str());
            return;
        case Shape::manager: append(message, "su", outcome.text.c_str(), outcome.pid); return;
    }
}

// "UID:ID"; empty: no id is given.
std::string key_of(const Call& call, const std::optional<std::string>& id) {
    return id && !id->empty() ? std::to_string(call.caller.uid) + ":" + *id : std::string{};
}

}  // namespace

void reply(sd_bus_message* call, const Subject& subject, const Outcome& outcome) {
    if (!outcome.error.empty()) {
        refuse(call, outcome.error.c_str(), outcome.text.c_str());
        return;
    }
    const posix::MessagePtr message = new_reply(call);
    append_outcome(message.get(), subject, outcome);
    check_sent(message.get(), sd_bus_send(nullptr, message.get(), nullptr));
}

Requests::Waiter Requests::waiter_of(Call& call) {
    const char* sender = sd_bus_message_get_sender(call.message);
    return {call.connection.id(), sender != nullptr ? sender : "",
            posix::MessagePtr{sd_bus_message_ref(call.message)}, &call.connection};
}

bool Requests::asked_before(Call& call, const std::string& asked, const Dictionary& options) {
    return seen_before(call, asked, key_of(call, options.look(api::option::id)));
}

bool Requests::seen_before(Call& call, const std::string& asked, const std::string& key) {
    const auto found = remembered_.find(key);
    if (key.empty() || found == remembered_.end()) return false;
    const Remembered& first = found->second;
    if (first.subject.asked != asked) {
        throw Refusal{api::error::invalid_argument,
                      "this id was used for another request; take a new one for each"};
    }
    if (first.outcome) {
        reply(call.message, first.subject, *first.outcome);
    } else {
        pending_.at(first.pending).waiters.push_back(waiter_of(call));
    }
    return true;
}

void Requests::add(core::RequestId id, Pending pending) {
    last_id_ = static_cast<std::uint64_t>(id);
    ++pending_of_[pending.uid];
    if (!pending.key.empty()) {
        remembered_.emplace(pending.key, Remembered{pending.subject, std::nullopt, id});
        keys_.push_back(pending.key);
    }
    pending_.emplace(id, std::move(pending));
    // Those not yet answered are kept: they are bounded by pending_limit.
    for (auto it = keys_.begin(); keys_.size() > ids_kept && it != keys_.end();) {
        const auto found = remembered_.find(*it);
        if (found->second.outcome) {
            remembered_.erase(found);
            it = keys_.erase(it);
        } else {
            ++it;
        }
    }
}

// The request is not pending any more.
Requests::Pending Requests::take(core::RequestId id) {
    auto taken = pending_.extract(id);
    if (--pending_of_[taken.mapped().uid] == 0) pending_of_.erase(taken.mapped().uid);
    return std::move(taken.mapped());
}

// Of a user who has too many, the oldest that nobody waits for any more is cancelled.
void Requests::make_room(uid_t uid) {
    const auto count = pending_of_.find(uid);
    if (count == pending_of_.end() || count->second < pending_limit) return;
    const auto deserted = std::ranges::find_if(pending_, [&](const auto& entry) {
        return entry.second.uid == uid && entry.second.waiters.empty();
    });
    if (deserted == pending_.end()) {
        throw Refusal{api::error::limits_exceeded,
                      "1024 requests of this user are waiting already; end some of them first"};
    }
    cancel(deserted->first);
}

void Requests::cancel(core::RequestId id) {
    Outcome cancelled;
    cancelled.error = api::error::cancelled;
    cancelled.text = "nobody waited for it; ask again";
    end(id, std::move(cancelled));
    backend_.submit(core::CancelRequest{id});
}

std::optional<core::RequestId> Requests::open_own(Call& call, Subject subject,
                                                  Dictionary& options) {
    std::string key = key_of(call, options.text(api::option::id));
    options.finish();
    if (seen_before(call, subject.asked, key)) return {};
    make_room(call.caller.uid);
    Pending pending{std::move(subject), std::move(key), call.caller.uid, {}};
    pending.waiters.push_back(waiter_of(call));
    const core::RequestId id{last_id_ + 1};
    if (record_) record_(opened(id, pending.uid, pending.key, pending.subject));
    add(id, std::move(pending));
    return id;
}

std::optional<core::Caller> Requests::open(Call& call, Subject subject, Dictionary& options) {
    const auto timeout = options.number(api::option::timeout).value_or(default_timeout);
    const auto id = open_own(call, std::move(subject), options);
    if (!id) return {};
    return core::Caller{*id, "uid " + std::to_string(call.caller.uid),
                        deadline(backend_.now(), timeout)};
}

Outcome Requests::outcome_of(const core::Answer& answer, const Subject& subject) const {
    const std::string first = subject.names.empty() ? "" : subject.names.front();
    Outcome outcome;
    if (const char* error = error_name(answer.verdict)) outcome.error = error;
    outcome.text = sentence(backend_, answer, subject);
    if (!outcome.error.empty()) return outcome;
    outcome.state = answer.state;
    outcome.run = answer.run;
    const core::Engine& engine = backend_.engine();
    if (subject.shape == Shape::unit) outcome.text = first;
    if (subject.shape == Shape::wait) {
        for (const std::string& name : subject.names) {
            WaitResult& one = outcome.results.emplace_back();
            one.unit = name;
            const auto unit = engine.find(name);
            if (!unit) continue;  // forgotten in the meantime
            const core::UnitView view = engine.view(*unit);
            one = {std::string{engine.name(*unit)}, view.state, view.run, view.last_exit,
                   view.result};
        }
    }
    if (subject.shape == Shape::names) {
        for (const core::EventView& event : engine.events()) {
            if (event.name != first) continue;
            for (const core::UnitId unit : event.setters) {
                outcome.names.emplace_back(engine.name(unit));
            }
        }
    }
    return outcome;
}

void Requests::answer(const core::Answer& answer) {
    const auto found = pending_.find(answer.id);
    if (found == pending_.end()) return;
    complete(answer.id, outcome_of(answer, found->second.subject));
}

void Requests::complete(core::RequestId id, Outcome outcome) {
    if (pending_.contains(id)) end(id, std::move(outcome));
}

void Requests::complete_all(std::string_view asked, const Outcome& outcome) {
    std::vector<core::RequestId> meant;
    for (const auto& [id, pending] : pending_) {
        const std::string_view all = pending.subject.asked;
        if (all.substr(0, all.find(' ')) == asked) meant.push_back(id);
    }
    for (const core::RequestId id : meant) complete(id, outcome);
}

void Requests::end(core::RequestId id, Outcome outcome) {
    if (record_) record_(ended(id, outcome));
    settle(id, std::move(outcome));
}

// Tells those who wait, and keeps the outcome for those who ask again.
void Requests::settle(core::RequestId id, Outcome outcome) {
    const Pending pending = take(id);
    for (const Waiter& waiter : pending.waiters) {
        reply(waiter.call.get(), pending.subject, outcome);
        waiter.via->check_backlog();
    }
    if (const auto found = remembered_.find(pending.key); found != remembered_.end()) {
        found->second.outcome = std::move(outcome);
    }
}

void Requests::remove_waiters(std::uint64_t connection, const std::string* sender) {
    std::vector<core::RequestId> deserted;
    for (auto& [id, pending] : pending_) {
        std::erase_if(pending.waiters, [&](const Waiter& waiter) {
            return waiter.connection == connection && (!sender || waiter.sender == *sender);
        });
        if (pending.waiters.empty() && pending.key.empty()) deserted.push_back(id);
    }
    for (const core::RequestId id : deserted) cancel(id);
}

void Requests::gone(std::uint64_t connection) {
    remove_waiters(connection, nullptr);
}

void Requests::gone(std::uint64_t connection, const std::string& sender) {
    remove_waiters(connection, &sender);
}

}  // namespace reeve::bus
