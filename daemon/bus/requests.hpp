// What was asked and is not answered yet, and what the last request ids were answered: one id is
// one request, also for the manager that comes after this one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/bus/connection.hpp"
#include "daemon/bus/dictionary.hpp"
#include "daemon/bus/outcome.hpp"
#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"

namespace reeve::bus {

class Requests {
public:
    // Takes one change as bytes for replay(), before it shows: a request before it acts, an answer
    // before it is sent. Must not throw, nor call back.
    using Record = std::function<void(std::string bytes)>;

    explicit Requests(Backend& backend, Record record = {})
        : backend_{backend}, record_{std::move(record)} {}

    // The same id has been used already: it was answered before, or its answer will come; nothing
    // is to be done. To be asked before anything is looked up: what was there may be gone by now.
    // Throws Refusal: the id was used for something else.
    bool asked_before(Call& call, const std::string& asked, const Dictionary& options);

    // Takes `id` and `timeout` out of the options and opens a request. nullopt: asked before.
    // Throws Refusal: too many, or the id was used for something else.
    std::optional<core::Caller> open(Call& call, Subject subject, Dictionary& options);
    // As open() for what the core has no part in; the caller answers with complete().
    std::optional<core::RequestId> open_own(Call& call, Subject subject, Dictionary& options);

    // Ids that are not ours, or that are answered already, are ignored.
    void answer(const core::Answer& answer);
    void complete(core::RequestId id, Outcome outcome);
    // Answers all that ask for this, of a predecessor too: "ReExec" also means "ReExec /x".
    void complete_all(std::string_view asked, const Outcome& outcome);

    // The client has left: requests without an id are cancelled, the others answer for later.
    void gone(std::uint64_t connection);
    void gone(std::uint64_t connection, const std::string& sender);

    [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

    // What a successor needs to know, as bytes; clients are not in it, they ask again.
    [[nodiscard]] std::string save() const;
    // Takes over what was saved, then what was recorded after that, in order. Nothing acts yet.
    // Throw std::invalid_argument: not that, and nothing has changed.
    void load(std::string_view saved);
    void replay(std::string_view bytes);
    // When the core is where the predecessor left it: a request that never reached it is forgotten,
    // to be asked again; one without an id, whose client went with the predecessor, is cancelled.
    void resume();

private:
    struct Waiter {
        std::uint64_t connection = 0;
        std::string sender;  // unique name on the message bus
        posix::MessagePtr call;
        Connection* via = nullptr;  // valid while `connection` is not gone()
    };
    struct Pending {
        Subject subject;
        std::string key;  // "UID:ID"; empty: no id given
        uid_t uid = 0;
        std::vector<Waiter> waiters;
    };
    struct Remembered {
        Subject subject;
        std::optional<Outcome> outcome;  // nullopt: `pending`
        core::RequestId pending{};
    };
    static Waiter waiter_of(Call& call);
    bool seen_before(Call& call, const std::string& asked, const std::string& key);
    void add(core::RequestId id, Pending pending);
    Pending take(core::RequestId id);
    void end(core::RequestId id, Outcome outcome);
    void settle(core::RequestId id, Outcome outcome);
    void drop(core::RequestId id);
    void make_room(uid_t uid);
    void cancel(core::RequestId id);
    Outcome outcome_of(const core::Answer& answer, const Subject& subject) const;
    void remove_waiters(std::uint64_t connection, const std::string* sender);
    void check() const;

    Backend& backend_;
    Record record_;
    std::uint64_t last_id_ = 0;
    std::map<core::RequestId, Pending> pending_;
    std::map<uid_t, std::size_t> pending_of_;
    std::map<std::string, Remembered, std::less<>> remembered_;
    std::deque<std::string> keys_;  // of remembered_, oldest first
};

// Sends the outcome as the reply to `call`.
void reply(sd_bus_message* call, const Subject& subject, const Outcome& outcome);

}  // namespace reeve::bus
