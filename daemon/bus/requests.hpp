// What was asked and is not answered yet, and what the last request ids were answered: one id is
// one request.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/bus/connection.hpp"
#include "daemon/bus/dictionary.hpp"
#include "daemon/core/action.hpp"
#include "daemon/core/event.hpp"

namespace reeve::bus {

// What a request's reply holds.
enum class Shape : std::uint8_t { nothing, state, wait, unit, names, applied };

struct WaitResult {
    std::string unit;
    core::State state{};
    core::RunId run{};
    core::ExitStatus exit;
    core::Result result{};
};

// An answer that can be given again. Which fields count depends on the shape.
struct Outcome {
    const char* error = nullptr;  // one of api::error; nullptr: done
    std::string text;             // of the error; report of Apply; name of the unit of Run
    core::State state{};
    core::RunId run{};
    bool applied = false;
    std::vector<WaitResult> results;
    std::vector<std::string> names;
};

// What is asked, to tell two requests apart and to put the answer together.
struct Subject {
    std::string method;
    Shape shape{};
    std::vector<std::string> names;  // units or events
};

class Requests {
public:
    explicit Requests(Backend& backend) : backend_{backend} {}

    // Takes `id` and `timeout` out of the options and opens a request. nullopt: the same id was
    // answered before, or its answer will come; nothing is to be done. Throws Refusal: too many, or
    // the id was used for something else.
    std::optional<core::Caller> open(Call& call, Subject subject, Dictionary& options);
    // As open() for what the core has no part in; the caller answers with complete().
    std::optional<core::RequestId> open_own(Call& call, Subject subject, Dictionary& options);

    void answer(const core::Answer& answer);  // ids that are not ours are ignored
    void complete(core::RequestId id, Outcome outcome);

    // The client has left: requests without an id are cancelled, the others answer for later.
    void gone(std::uint64_t connection);
    void gone(std::uint64_t connection, const std::string& sender);

    [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

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
    bool seen_before(Call& call, const Subject& subject, const std::string& key);
    void remember(const std::string& key, const Subject& subject, core::RequestId id);
    void make_room(uid_t uid);
    void cancel(core::RequestId id);
    Outcome outcome_of(const core::Answer& answer, const Subject& subject) const;
    void remove_waiters(std::uint64_t connection, const std::string* sender);

    Backend& backend_;
    std::uint64_t last_id_ = 0;
    std::map<core::RequestId, Pending> pending_;
    std::map<uid_t, std::size_t> pending_of_;
    std::map<std::string, Remembered, std::less<>> remembered_;
    std::deque<std::string> keys_;  // of remembered_, oldest first
};

// Sends the outcome as the reply to `call`.
void reply(sd_bus_message* call, const Subject& subject, const Outcome& outcome);

}  // namespace reeve::bus
